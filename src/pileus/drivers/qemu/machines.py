"""The life of machines: started, stopped, frozen, restarted, given another size, and gone."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import suppress

from msgspec.structs import replace

from pileus.domain.compute.instances import Status
from pileus.drivers.protocols.compute import DriverError, Machine, ObservedMachine
from pileus.drivers.qemu.cgroups import remove_cgroup
from pileus.drivers.qemu.host import RUNNING, STOPPED, SUSPENDED, MachineRecord, host_boot
from pileus.drivers.qemu.monitor import Silent
from pileus.drivers.qemu.processes import Processes

OVER = frozenset({"shutdown", "guest-panicked"})
BROKEN = {
    "io-error": "A disk could not be written: the host's disk is full, or fails",
    "internal-error": "QEMU cannot go on",
    "guest-panicked": "The guest's kernel panicked",
}
"""How machines stand that need help, in QEMU's words and in ours."""


class Machines(Processes):
    """The part that runs them: Compute."""

    async def ensure_running(self, machine: Machine) -> None:
        """Let a machine run: go on if it stands still, start if there is no process."""
        async with self.machine_lock(machine.id):
            before = self.known(machine.id)
            if self.is_running(machine.id, before) and await self._went_on(machine.id):
                self.remember(replace(self.existing(machine.id), intent=RUNNING, reason=None))
                return
            await self.end(machine.id)
            await self.start(machine)

    async def ensure_stopped(self, machine_id: str) -> None:
        """Ask the guest to shut down, and end it if it has not in time."""
        async with self.machine_lock(machine_id):
            known = self.existing(machine_id)
            # A crash of ours from here on is to find a machine that is meant to stop.
            self.remember(replace(known, intent=STOPPED, reason=None))
            await self.shut_down(machine_id)
            await self.end(machine_id)

    async def ensure_suspended(self, machine_id: str) -> None:
        """Freeze it in memory; one that does not run is started first."""
        async with self.machine_lock(machine_id):
            known = self.existing(machine_id)
            if not self.is_running(machine_id, known):
                await self.start(known.machine)
            await self._freeze(machine_id)
            self.remember(replace(self.existing(machine_id), intent=SUSPENDED, reason=None))

    async def ensure_restarted(self, machine: Machine, request: str, *, hard: bool) -> None:
        """Restart it once for a request: by its own shutting down, or hard, by another process."""
        async with self.machine_lock(machine.id):
            known = self.known(machine.id)
            if known and known.restarted_for == request:
                return
            if not hard:
                await self.shut_down(machine.id)
            await self.end(machine.id)
            await self.start(machine)
            self.remember(replace(self.existing(machine.id), restarted_for=request))

    async def ensure_sized(self, machine: Machine) -> None:
        """Give it another size, for which it shuts down and starts if it runs."""
        async with self.machine_lock(machine.id):
            known = self.existing(machine.id)
            if known.machine.flavor_id == machine.flavor_id:
                return
            if not self.is_running(machine.id, known):
                self.remember(replace(known, machine=machine))
                return
            self.has_room(machine)
            await self.shut_down(machine.id)
            await self.end(machine.id)
            await self.start(machine)

    async def ensure_gone(self, machine_id: str) -> None:
        """End it, and leave nothing of it but its volumes."""
        folder = self.home.machine(machine_id)
        if self.known(machine_id) is None and not folder.exists():
            return
        async with self.machine_lock(machine_id):
            await self.end(machine_id)
            self.untrack_process(machine_id)
            self.forget_disks(machine_id)
            await self.forget_nics(machine_id)
            self._db.execute("DELETE FROM slots WHERE machine_id = ?", (machine_id,))
            self._db.execute("DELETE FROM machines WHERE id = ?", (machine_id,))
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            remove_cgroup(machine_id)
            folder.with_suffix(".lock").unlink(missing_ok=True)

    async def observe(self) -> AsyncIterator[ObservedMachine]:
        """Every machine, as it stands; what has shut itself down is taken note of."""
        for machine_id in self.every():
            seen = await self.look(machine_id)
            if seen:
                yield seen

    async def look(self, machine_id: str) -> ObservedMachine | None:
        """How a machine stands; None while it changes."""
        known = self.known(machine_id)
        if known is None:
            return None
        if known.intent == STOPPED:
            return ObservedMachine(machine_id=machine_id, status=Status.SHUTOFF)
        if not self.is_running(machine_id, known):
            return self._dead(machine_id)
        try:
            async with self.monitor(machine_id) as monitor:
                state = await monitor.runstate()
        except Silent:
            return None if self.is_running(machine_id, known) else self._dead(machine_id)
        if state == "shutdown":
            return await self._by_itself(machine_id)
        return _seen(machine_id, state)

    def _dead(self, machine_id: str) -> ObservedMachine | None:
        """A machine whose process has ended without being told to; None if it was told meanwhile."""
        known = self.known(machine_id)
        if known is None or known.intent == STOPPED or self.is_running(machine_id, known):
            return None
        if known.host_boot not in (None, host_boot()):
            return self._after_the_host(machine_id, known)
        reason = known.reason or self.exit_reason(machine_id)
        if not known.reason:
            self.remember(replace(known, reason=reason))
        return ObservedMachine(machine_id=machine_id, status=Status.ERROR, reason=reason)

    def _after_the_host(self, machine_id: str, known: MachineRecord) -> ObservedMachine | None:
        """A machine that the host's end has ended: it is started again, or off from now on."""
        if self.hosting.resume:
            return None
        self.remember(replace(known, intent=STOPPED))
        return ObservedMachine(machine_id=machine_id, status=Status.SHUTOFF)

    async def _by_itself(self, machine_id: str) -> ObservedMachine | None:
        """The guest has shut down: its process has nothing more to do, unless somebody is at it already."""
        if not self.free(machine_id):
            return None
        async with self.machine_lock(machine_id):
            if await self._state(machine_id) != "shutdown":
                return None
            self.remember(replace(self.existing(machine_id), intent=STOPPED))
            await self.end(machine_id)
        return ObservedMachine(machine_id=machine_id, status=Status.SHUTOFF)

    async def _freeze(self, machine_id: str) -> None:
        try:
            async with self.monitor(machine_id) as monitor:
                await monitor.do("stop")
        except Silent:
            raise DriverError(f"Machine {machine_id} does not answer", retryable=True) from None

    async def _state(self, machine_id: str) -> str | None:
        if not self.is_running(machine_id, self.known(machine_id)):
            return None
        with suppress(Silent):
            async with self.monitor(machine_id) as monitor:
                return await monitor.runstate()
        return None

    async def _went_on(self, machine_id: str) -> bool:
        """Let a process go on with its machine; whether that was possible."""
        try:
            async with self.monitor(machine_id) as monitor:
                state = await monitor.runstate()
                if state in OVER or state == "internal-error":
                    return False
                if state != "running":
                    await monitor.do("cont")
                return await monitor.runstate() == "running"
        except Silent:
            return False


def _seen(machine_id: str, state: str) -> ObservedMachine:
    if state in BROKEN:
        return ObservedMachine(machine_id=machine_id, status=Status.ERROR, reason=BROKEN[state])
    status = Status.SUSPENDED if state in {"paused", "suspended"} else Status.ACTIVE
    return ObservedMachine(machine_id=machine_id, status=status)
