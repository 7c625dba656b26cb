"""Attach volumes to machines and detach them, whether the machine runs or not."""

from pileus.drivers.protocols.compute import MachineSpec
from pileus.drivers.protocols.storage import DiskSpec
from pileus.drivers.qemu import arguments
from pileus.drivers.qemu.arguments import Device
from pileus.drivers.qemu.hotplug import Hotplug
from pileus.drivers.qemu.machine_control import MachineControl
from pileus.drivers.qemu.machine_records import DeviceSlots
from pileus.drivers.qemu.storage_records import StorageRecords


class VolumeAttachments:
    """The volumes that are attached to machines, as devices."""

    def __init__(self, control: MachineControl, hotplug: Hotplug, slots: DeviceSlots, records: StorageRecords) -> None:
        self._control, self._hotplug, self._slots, self._records = control, hotplug, slots, records

    async def ensure_volume_attachment(self, machine_id: str, disk: DiskSpec) -> None:
        """Attach a volume, by hot-plug if the machine runs."""
        async with self._control.lock(machine_id):
            record = self._control.records.get(machine_id)
            self._records.attach_volume(machine_id, disk)
            if self._control.children.is_running(record):
                await self._hotplug.plug(machine_id, self._device(machine_id, disk.id))

    async def ensure_no_volume_attachment(self, machine_id: str, volume_id: str) -> None:
        """Detach a volume, after the guest has released it if the machine runs."""
        volume = self._records.find_volume(volume_id)
        if volume is None or volume.machine_id != machine_id:
            return
        async with self._control.lock(machine_id):
            device = self._device(machine_id, volume_id)
            if self._control.is_running(machine_id):
                await self._hotplug.unplug(machine_id, device)
            self._records.detach_volume(volume_id)
            self._slots.free(device.id)

    def attach_all_before_start(self, machine: MachineSpec) -> list[Device]:
        """Attach the disks of a machine before its start. Return all that it has, also those attached later."""
        for disk in machine.disks:
            self._records.attach_volume(machine.id, disk)
        volumes = self._records.volume_ids_and_boot_indexes(machine.id)
        return [self._device(machine.id, volume_id, boot_index) for volume_id, boot_index in volumes]

    def detach_all_after_end(self, machine_id: str) -> None:
        """Detach all volumes of a machine that has ended."""
        self._records.detach_volumes(machine_id)

    def _device(self, machine_id: str, volume_id: str, boot_index: int = -1) -> Device:
        slot = self._slots.assign(machine_id, arguments.disk_device(volume_id, 0).id)
        return arguments.disk_device(volume_id, slot, boot_index)
