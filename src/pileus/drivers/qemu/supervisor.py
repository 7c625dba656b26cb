"""Looking after machines: hearing what they do by themselves, measuring them, starting them again after the host."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from msgspec.structs import replace
from qemu.qmp import EventListener, Runstate

from pileus.drivers.protocols.compute import DriverError
from pileus.drivers.qemu.arguments import SERIAL
from pileus.drivers.qemu.host import RUNNING, MachineRecord, host_boot
from pileus.drivers.qemu.metrics import Metrics
from pileus.drivers.qemu.monitor import EVENTS, Silent, connected
from pileus.drivers.qemu.paths import open_untrusted, wait_for_lock
from pileus.drivers.qemu.processes import DEATH

LOG = logging.getLogger(__name__)
ROUND, ROUNDS_PER_SAMPLE = 1.0, 15
"""Seconds between two looks at who is there, and how many of them pass between two samples."""
TELLING = ("SHUTDOWN", "STOP", "RESUME", "SUSPEND", "WAKEUP", "GUEST_PANICKED", "BLOCK_IO_ERROR")
LONGEST_LOG, KEPT_LOG = 4 << 20, 1 << 20
"""Bytes of a serial log at which its beginning is dropped, and of what is kept then."""


class Supervisor(Metrics):
    """The part that looks after them: Watches."""

    async def watch(self, changed: Callable[[], None]) -> None:
        """Look after all machines, if no other process of this host does; until cancelled."""
        async with wait_for_lock(self.home.folder / "watch.lock", ROUND):
            listening: dict[str, asyncio.Task[None]] = {}
            try:
                await self._begin()
                await self._look_after(listening, changed)
            finally:
                for task in listening.values():
                    task.cancel()
                await asyncio.gather(*listening.values(), return_exceptions=True)

    async def _look_after(self, listening: dict[str, asyncio.Task[None]], changed: Callable[[], None]) -> None:
        count = 0
        while True:
            living = {machine_id for machine_id, known in self.every().items() if self.is_running(machine_id, known)}
            for machine_id in living:
                if machine_id not in listening or listening[machine_id].done():
                    listening[machine_id] = asyncio.create_task(self._listen(machine_id, changed))
            for machine_id in set(listening) - living:
                listening.pop(machine_id).cancel()
                changed()
            if count % ROUNDS_PER_SAMPLE == 0:
                await self._sample(living)
            count += 1
            await asyncio.sleep(ROUND)

    async def _sample(self, living: set[str]) -> None:
        try:
            await self.measure()
        except DriverError as problem:
            LOG.warning("Machines could not be measured", extra={"why": str(problem)})
        for machine_id in living:
            self._shorten(machine_id)

    async def _begin(self) -> None:
        """Bring the network up, start again what ran when the host ended, and tell of machines that nobody knows."""
        with suppress(DriverError):
            await self._rewired()
        known = self.every()
        for folder in self.home.machines.iterdir():
            if folder.is_dir() and folder.name not in known:
                LOG.warning("A machine is not known: it is left alone", extra={"machine_id": folder.name})
        if self.hosting.resume:
            for machine_id, each in known.items():
                if each.intent == RUNNING and not self.is_running(machine_id, each) and each.host_boot != host_boot():
                    await self._again(machine_id, each)

    async def _again(self, machine_id: str, known: MachineRecord) -> None:
        LOG.info("A machine starts again, as the host has", extra={"machine_id": machine_id})
        try:
            await self.ensure_running(known.machine)
        except DriverError as problem:
            LOG.warning("A machine could not be started again", extra={"machine_id": machine_id, "why": str(problem)})
            # It is not tried for ever: from now on it is in error, as of this run of the host.
            self.remember(replace(self.existing(machine_id), host_boot=host_boot(), reason=str(problem)))

    async def _listen(self, machine_id: str, changed: Callable[[], None]) -> None:
        """Say that something has changed when the machine tells so, and when it falls silent."""
        with suppress(Silent):
            async with connected(self.home.machine(machine_id), EVENTS) as client:
                with client.listener(TELLING) as heard:
                    await _told(heard, asyncio.ensure_future(client.runstate_changed()), changed)
            # A process on its way out closes its sockets first: until it is gone, nobody can say what became of it.
            await self.ended(machine_id, DEATH)
            changed()

    def _shorten(self, machine_id: str) -> None:
        """Keep a serial log from filling the disk; QEMU appends to whatever is there."""
        path = self.home.machine(machine_id) / SERIAL
        with suppress(OSError):
            if path.stat().st_size > LONGEST_LOG:
                with open_untrusted(path, "r+b") as log:
                    log.seek(-KEPT_LOG, 2)
                    end = log.read()
                    log.seek(0)
                    log.write(end)
                    log.truncate()


async def _told(heard: EventListener, gone: asyncio.Future[Runstate], changed: Callable[[], None]) -> None:
    """Pass on that there are news, until the machine has hung up."""
    try:
        while not gone.done():
            news = asyncio.ensure_future(heard.get())
            await asyncio.wait((gone, news), return_when=asyncio.FIRST_COMPLETED)
            if news.done():
                changed()
            news.cancel()
    finally:
        gone.cancel()
