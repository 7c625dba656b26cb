"""Devices that come and go while a machine runs."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from pileus.drivers.protocols.compute import DriverError
from pileus.drivers.qemu.arguments import Plug
from pileus.drivers.qemu.host import SOON, Host
from pileus.drivers.qemu.monitor import Monitor, Silent

AGAIN = 3.0
"""Seconds after which a guest that does not let go of a device is asked again."""
AT_EASE = 60.0
"""Seconds that a guest has to let go of a device."""


class Hotplug(Host):
    """The part that plugs them in, and pulls them out."""

    async def plug(self, machine_id: str, plug: Plug) -> None:
        """Plug a device into a machine that runs; raises DriverError."""
        async with self.asked(machine_id) as monitor:
            if await _has(monitor, plug.id):
                return
            # What is left of a try that broke off would be in the way.
            await _without_backend(monitor, plug)
            await monitor.do(f"{plug.kind}-add" if plug.kind == "blockdev" else f"{plug.kind}_add", plug.backend)
            try:
                await monitor.do("device_add", plug.device)
            except DriverError:
                await _without_backend(monitor, plug)
                raise

    async def unplug(self, machine_id: str, plug: Plug) -> None:
        """Ask the guest to let go of a device until it has; raises DriverError if it does not."""
        async with self.asked(machine_id) as monitor:
            until, asked = time.monotonic() + AT_EASE, 0.0
            while await _has(monitor, plug.id):
                if time.monotonic() > until:
                    raise DriverError("The guest does not let go of the device: is its system up?", retryable=True)
                if time.monotonic() - asked > AGAIN:
                    asked = time.monotonic()
                    await _let_go(monitor, plug.id)
                await asyncio.sleep(SOON)
            await _without_backend(monitor, plug)

    @asynccontextmanager
    async def asked(self, machine_id: str) -> AsyncIterator[Monitor]:
        """Talk to a machine that runs; raises DriverError if it has stopped answering."""
        try:
            async with self.monitor(machine_id) as monitor:
                yield monitor
        except Silent:
            raise DriverError(f"Machine {machine_id} does not answer", retryable=True) from None


async def _has(monitor: Monitor, device: str) -> bool:
    return any(each["name"] == device for each in await monitor.do("qom-list", {"path": "/machine/peripheral"}))


async def _let_go(monitor: Monitor, device: str) -> None:
    """Ask for it: QEMU refuses while an earlier question is open, which does no harm."""
    with suppress(DriverError):
        await monitor.do("device_del", {"id": device})


async def _without_backend(monitor: Monitor, plug: Plug) -> None:
    """Take away what a device was plugged into, if it is there."""
    with suppress(DriverError):
        if plug.kind == "blockdev":
            await monitor.do("blockdev-del", {"node-name": plug.backend["node-name"]})
        else:
            await monitor.do("netdev_del", {"id": plug.backend["id"]})
