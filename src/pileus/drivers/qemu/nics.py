"""Attach network interfaces to machines and detach them, whether the machine runs or not."""

from contextlib import suppress

from pileus.drivers.protocols.compute import MachineSpec
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.network import NicSpec
from pileus.drivers.qemu import arguments
from pileus.drivers.qemu.arguments import NO_SLOT, Device
from pileus.drivers.qemu.fabric_updates import FabricUpdater
from pileus.drivers.qemu.hotplug import Hotplug
from pileus.drivers.qemu.machine_control import MachineControl
from pileus.drivers.qemu.machine_records import DeviceSlots, MachineRecord
from pileus.drivers.qemu.state import QemuStateFile


class NicAttachments:
    """The network interfaces of machines, as devices."""

    def __init__(
        self,
        control: MachineControl,
        hotplug: Hotplug,
        slots: DeviceSlots,
        state: QemuStateFile,
        fabric_updater: FabricUpdater,
    ) -> None:
        self._control, self._hotplug, self._slots = control, hotplug, slots
        self._state, self._fabric_updater = state, fabric_updater

    async def ensure_interface(self, machine_id: str, nic: NicSpec) -> None:
        """Attach an interface, or update it. What does not fit or is refused leaves nothing behind."""
        async with self._control.lock(machine_id):
            was_attached = self._state.find_nic_machine_id(nic.port_id) == machine_id
            record = self._control.records.find(machine_id)
            device = self._device(machine_id, nic, record.user_id if record else None)
            try:
                await self._state.ensure_interface(machine_id, nic)
                if self._control.is_running(machine_id):
                    await self._hotplug.plug(machine_id, device)
            except DriverError as problem:
                # If the machine did not answer, it may have the device: the attempt is repeated or undone.
                if not (was_attached or problem.retryable):
                    await self._undo_attachment(machine_id, nic.port_id)
                raise

    async def ensure_no_interface(self, machine_id: str, port_id: str) -> None:
        """Detach an interface, after the guest has released it if the machine runs."""
        async with self._control.lock(machine_id):
            device = arguments.nic_device(port_id, "", NO_SLOT)
            has_slot = self._slots.has_slot(machine_id, device.id)
            if not has_slot and self._state.find_nic_machine_id(port_id) != machine_id:
                return
            if has_slot and self._control.is_running(machine_id):
                await self._hotplug.unplug(machine_id, device)
            await self._detach(machine_id, port_id)

    def attach_only_named(self, machine: MachineSpec) -> None:
        """Attach the interfaces that a machine names, before its start, and detach all others."""
        self._state.delete_nics(machine.id)
        for nic in machine.nics:
            self._state.save_nic(machine.id, nic)

    def devices(self, record: MachineRecord) -> list[Device]:
        """Return the devices of a machine's interfaces. Raises DriverError if there are too many."""
        machine_id = record.machine.id
        return [self._device(machine_id, nic, record.user_id) for nic in self._state.machine_nics(machine_id)]

    async def apply_network(self) -> None:
        """Connect the attached interfaces to the network. Raises DriverError."""
        await self._fabric_updater.send_network_state()

    async def detach_all_after_end(self, machine_id: str) -> None:
        """Detach all interfaces of a machine that has ended."""
        self._state.delete_nics(machine_id)
        await self._fabric_updater.send_network_state()

    async def _undo_attachment(self, machine_id: str, port_id: str) -> None:
        with suppress(DriverError):
            await self._detach(machine_id, port_id)

    async def _detach(self, machine_id: str, port_id: str) -> None:
        self._slots.free(machine_id, nic_device_id(port_id))
        await self._state.ensure_no_interface(machine_id, port_id)

    def _device(self, machine_id: str, nic: NicSpec, user_id: int | None) -> Device:
        slot = self._slots.assign(machine_id, nic_device_id(nic.port_id))
        return arguments.nic_device(nic.port_id, nic.mac_address, slot, user_id)


def nic_device_id(port_id: str) -> str:
    """Return the id of an interface's device in QEMU."""
    return arguments.nic_device(port_id, "", NO_SLOT).id
