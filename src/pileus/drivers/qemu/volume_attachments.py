"""Attach volumes to machines and detach them, whether the machine runs or not."""

from pileus.drivers.protocols.compute import MachineSpec
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.storage import DiskSpec
from pileus.drivers.qemu import arguments
from pileus.drivers.qemu.arguments import NO_SLOT, Device
from pileus.drivers.qemu.base_images import share_base
from pileus.drivers.qemu.client_users import ClientUsers
from pileus.drivers.qemu.file_ownership import give_file
from pileus.drivers.qemu.hotplug import Hotplug
from pileus.drivers.qemu.machine_control import MachineControl
from pileus.drivers.qemu.machine_records import DeviceSlots
from pileus.drivers.qemu.storage_records import StorageRecords
from pileus.drivers.qemu.users import ProcessUser


class VolumeAttachments:
    """The volumes that are attached to machines, as devices."""

    def __init__(
        self,
        control: MachineControl,
        client_users: ClientUsers,
        hotplug: Hotplug,
        slots: DeviceSlots,
        records: StorageRecords,
    ) -> None:
        self._control, self._directory, self._client_users = control, control.directory, client_users
        self._hotplug, self._slots, self._records = hotplug, slots, records

    async def ensure_volume_attachment(self, machine_id: str, disk: DiskSpec) -> None:
        """Attach a volume, by hot-plug if the machine runs. What does not fit or is refused leaves nothing behind."""
        async with self._control.lock(machine_id):
            record = self._control.records.get(machine_id)
            self._records.check_attachable(machine_id, disk.id)
            was_attached = self._records.get_volume(disk.id).machine_id is not None
            device = self._device(machine_id, disk.id)
            self._records.attach_volume(machine_id, disk)
            try:
                if self._control.children.is_running(record):
                    self._client_users.record_file(disk.id, disk.client_id)
                    self._give_disk(disk.id, self._client_users.user_of_process(record))
                    await self._hotplug.plug(machine_id, device)
            except DriverError as problem:
                # If the machine did not answer, it may have the device: the attempt is repeated or undone.
                if not (was_attached or problem.retryable):
                    self._record_as_detached(machine_id, disk.id)
                raise

    async def ensure_no_volume_attachment(self, machine_id: str, volume_id: str) -> None:
        """Detach a volume, after the guest has released it if the machine runs."""
        async with self._control.lock(machine_id):
            volume = self._records.find_volume(volume_id)
            if volume is None or volume.machine_id != machine_id:
                return
            device = arguments.disk_device(volume_id, NO_SLOT)
            if self._control.is_running(machine_id) and self._slots.has_slot(machine_id, device.id):
                await self._hotplug.unplug(machine_id, device)
            self._record_as_detached(machine_id, volume_id)

    def check_attachable(self, machine: MachineSpec) -> None:
        """Raise DriverError if a machine names a volume that it cannot have."""
        for disk in machine.disks:
            self._records.check_attachable(machine.id, disk.id)

    def attach_only_named(self, machine: MachineSpec) -> None:
        """Attach the volumes that a machine names, before its start, and detach all others."""
        named_ids = {disk.id for disk in machine.disks}
        for volume_id, _ in self._records.volume_ids_and_boot_indexes(machine.id):
            if volume_id not in named_ids:
                self._records.detach_volume(volume_id)
        for disk in machine.disks:
            self._records.attach_volume(machine.id, disk)

    def give_disks(self, machine: MachineSpec, user: ProcessUser | None) -> None:
        """Make all volumes of a machine usable for a user. Raises DriverError."""
        for volume_id, _ in self._records.volume_ids_and_boot_indexes(machine.id):
            self._client_users.record_file(volume_id, machine.client_id)
            self._give_disk(volume_id, user)

    def devices(self, machine_id: str) -> list[Device]:
        """Return the devices of a machine's volumes, in boot order. Raises DriverError if there are too many."""
        volumes = self._records.volume_ids_and_boot_indexes(machine_id)
        return [self._device(machine_id, volume_id, boot_index) for volume_id, boot_index in volumes]

    def detach_all_after_end(self, machine_id: str) -> None:
        """Detach all volumes of a machine that has ended."""
        self._records.detach_volumes(machine_id)

    def _give_disk(self, volume_id: str, user: ProcessUser | None) -> None:
        base = self._records.get_volume(volume_id).base
        give_file(self._directory.volume_file(volume_id), user)
        share_base(self._directory.image_file(base) if base else None, user)

    def _record_as_detached(self, machine_id: str, volume_id: str) -> None:
        self._records.detach_volume(volume_id)
        self._slots.free(machine_id, disk_device_id(volume_id))

    def _device(self, machine_id: str, volume_id: str, boot_index: int = -1) -> Device:
        slot = self._slots.assign(machine_id, disk_device_id(volume_id))
        return arguments.disk_device(volume_id, slot, boot_index)


def disk_device_id(volume_id: str) -> str:
    """Return the id of a volume's device in QEMU."""
    return arguments.disk_device(volume_id, NO_SLOT).id
