"""The disks and interfaces of a machine together, as its start and its end need them."""

from pileus.drivers.protocols.compute import MachineSpec
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.qemu.arguments import SLOTS, Device
from pileus.drivers.qemu.machine_records import DeviceSlots, MachineRecord
from pileus.drivers.qemu.nics import NicAttachments, nic_device_id
from pileus.drivers.qemu.users import ProcessUser
from pileus.drivers.qemu.volume_attachments import VolumeAttachments, disk_device_id


class MachineDevices:
    """What is attached to machines. Before a start, that is made what the control plane names."""

    def __init__(self, attachments: VolumeAttachments, nics: NicAttachments, slots: DeviceSlots) -> None:
        self._attachments, self._nics, self._slots = attachments, nics, slots

    def check_attachable(self, machine: MachineSpec) -> None:
        """Raise DriverError if a machine names more than it has slots for, or a volume that it cannot have."""
        if (count := len(machine.disks) + len(machine.nics)) > SLOTS:
            raise DriverError(
                f"Machine {machine.id} has {count} disks and interfaces, but only {SLOTS} slots", retryable=False
            )
        self._attachments.check_attachable(machine)

    def attach_only_named(self, machine: MachineSpec) -> None:
        """Attach the disks and interfaces that a machine names, and detach all others; it does not run."""
        self._attachments.attach_only_named(machine)
        self._nics.attach_only_named(machine)
        disk_ids = {disk_device_id(disk.id) for disk in machine.disks}
        nic_ids = {nic_device_id(nic.port_id) for nic in machine.nics}
        self._slots.free_all_except(machine.id, disk_ids | nic_ids)

    def assign_slots(self, record: MachineRecord) -> list[Device]:
        """Return all devices of a machine, each in its slot. Raises DriverError if there are too many."""
        return [*self._attachments.devices(record.machine.id), *self._nics.devices(record)]

    def give_disks(self, machine: MachineSpec, user: ProcessUser | None) -> None:
        """Make the attached disks usable for the user that the machine is about to run as. Raises DriverError."""
        self._attachments.give_disks(machine, user)

    async def connect_nics(self) -> None:
        """Connect the attached interfaces to the network. Raises DriverError."""
        await self._nics.apply_network()

    async def detach_all_after_end(self, machine_id: str) -> None:
        """Detach everything from a machine that has ended."""
        self._attachments.detach_all_after_end(machine_id)
        await self._nics.detach_all_after_end(machine_id)
