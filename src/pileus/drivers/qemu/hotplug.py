"""Hot-plug: add devices to running machines and remove them."""

import asyncio
import time
from contextlib import suppress

from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.qemu.arguments import Device
from pileus.drivers.qemu.machine_control import MachineControl
from pileus.drivers.qemu.monitor import Monitor
from pileus.drivers.qemu.paths import POLL_INTERVAL

RETRY_INTERVAL = 3.0
"""Seconds after which a guest that keeps a device is asked again to release it."""
RELEASE_TIMEOUT = 60.0
"""Seconds that a guest has to release a device."""


class Hotplug:
    """Hot-plugs devices by the monitor."""

    def __init__(self, control: MachineControl) -> None:
        self._control = control

    async def plug(self, machine_id: str, device: Device) -> None:
        """Add a device to a running machine, if it is not there. Raises DriverError."""
        async with self._control.require_monitor(machine_id) as monitor:
            if await _has_device(monitor, device.id):
                return
            # The backend of an interrupted attempt would be in the way.
            await _remove_backend(monitor, device)
            command = f"{device.kind}-add" if device.kind == "blockdev" else f"{device.kind}_add"
            await monitor.execute_command(command, device.backend)
            try:
                await monitor.execute_command("device_add", device.frontend)
            except DriverError:
                await _remove_backend(monitor, device)
                raise

    async def unplug(self, machine_id: str, device: Device) -> None:
        """Remove a device from a running machine. Raises DriverError if the guest does not release it in time."""
        async with self._control.require_monitor(machine_id) as monitor:
            deadline, last_request = time.monotonic() + RELEASE_TIMEOUT, 0.0
            while await _has_device(monitor, device.id):
                if time.monotonic() > deadline:
                    raise DriverError("The guest does not release the device: is its system up?", retryable=True)
                if time.monotonic() - last_request > RETRY_INTERVAL:
                    last_request = time.monotonic()
                    await _request_release(monitor, device.id)
                await asyncio.sleep(POLL_INTERVAL)
            await _remove_backend(monitor, device)


async def _has_device(monitor: Monitor, device_id: str) -> bool:
    devices = await monitor.execute_command("qom-list", {"path": "/machine/peripheral"})
    return any(device["name"] == device_id for device in devices)


async def _request_release(monitor: Monitor, device_id: str) -> None:
    """Ask the guest to release a device; QEMU refuses while an earlier request is open, which is harmless."""
    with suppress(DriverError):
        await monitor.execute_command("device_del", {"id": device_id})


async def _remove_backend(monitor: Monitor, device: Device) -> None:
    """Remove the backend of a device, if there is one."""
    with suppress(DriverError):
        if device.kind == "blockdev":
            await monitor.execute_command("blockdev-del", {"node-name": device.backend["node-name"]})
        else:
            await monitor.execute_command("netdev_del", {"id": device.backend["id"]})
