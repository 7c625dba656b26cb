"""Attach network interfaces to machines and detach them, whether the machine runs or not."""

from pileus.drivers.protocols.compute import MachineSpec
from pileus.drivers.protocols.network import NicSpec
from pileus.drivers.qemu import arguments
from pileus.drivers.qemu.arguments import Device
from pileus.drivers.qemu.fabric_updates import FabricUpdater
from pileus.drivers.qemu.hotplug import Hotplug
from pileus.drivers.qemu.machine_control import MachineControl
from pileus.drivers.qemu.machine_records import DeviceSlots
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
        """Attach an interface, or update its addresses and security groups."""
        await self._state.ensure_interface(machine_id, nic)
        async with self._control.lock(machine_id):
            if self._control.is_running(machine_id):
                await self._hotplug.plug(machine_id, self._device(machine_id, nic))

    async def ensure_no_interface(self, machine_id: str, port_id: str) -> None:
        """Detach an interface, after the guest has released it if the machine runs."""
        nic = self._state.find_nic(port_id)
        if nic is None:
            return
        async with self._control.lock(machine_id):
            device = self._device(machine_id, nic)
            if self._control.is_running(machine_id):
                await self._hotplug.unplug(machine_id, device)
            self._slots.free(device.id)
        await self._state.ensure_no_interface(machine_id, port_id)

    async def attach_all_before_start(self, machine: MachineSpec) -> list[Device]:
        """Attach the interfaces of a machine before its start. Return all that it has, also those attached later."""
        for nic in machine.nics:
            self._state.save_nic(machine.id, nic)
        await self._fabric_updater.send_network_state()
        return [self._device(machine.id, nic) for nic in self._state.machine_nics(machine.id)]

    async def detach_all_after_end(self, machine_id: str) -> None:
        """Detach all interfaces of a machine that has ended."""
        self._state.delete_nics(machine_id)
        await self._fabric_updater.send_network_state()

    def _device(self, machine_id: str, nic: NicSpec) -> Device:
        slot = self._slots.assign(machine_id, arguments.nic_device(nic.port_id, nic.mac_address, 0).id)
        return arguments.nic_device(nic.port_id, nic.mac_address, slot)
