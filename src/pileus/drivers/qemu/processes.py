"""Machines' processes: started, asked to shut down, and ended."""

import asyncio
import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from msgspec.structs import replace

from pileus.drivers.protocols.compute import DriverError, Machine
from pileus.drivers.qemu import arguments
from pileus.drivers.qemu.cgroups import create_cgroup
from pileus.drivers.qemu.host import RUNNING, SOON, MachineRecord, host_boot, started_at
from pileus.drivers.qemu.images import Images
from pileus.drivers.qemu.monitor import Monitor, Silent
from pileus.drivers.qemu.networks import Networks
from pileus.drivers.qemu.paths import open_untrusted
from pileus.drivers.qemu.seed import seed

LONGEST = 1 << 16
"""Bytes of what QEMU says that are looked at."""
BIRTH, DEATH = 20.0, 10.0
"""Seconds until a machine that was started answers, and until one that was told to end has ended."""


class Processes(Images, Networks):
    """The part that starts and ends them; it is the caller's turn."""

    patience: float
    """Seconds that a guest has to shut down when it is asked to."""

    async def shut_down(self, machine_id: str) -> None:
        """Press the power button, and wait for as long as the guest has."""
        if not self.is_running(machine_id, self.known(machine_id)):
            return
        with suppress(Silent):
            async with self.monitor(machine_id) as monitor:
                if await monitor.runstate() == "paused":
                    await monitor.do("cont")
                await monitor.do("system_powerdown")
                await _until(monitor, "shutdown", self.patience)

    async def end(self, machine_id: str) -> None:
        """Let there be no process; one that does not go when asked is killed."""
        known = self.known(machine_id)
        if not self.is_running(machine_id, known):
            return
        with suppress(Silent):
            async with self.monitor(machine_id) as monitor:
                await monitor.do("quit")
        if not await self.ended(machine_id, DEATH):
            assert known  # noqa: S101  # it lives
            assert known.pid  # noqa: S101
            with suppress(ProcessLookupError):
                os.kill(known.pid, signal.SIGKILL)
            await self.ended(machine_id, DEATH)

    async def ended(self, machine_id: str, patience: float) -> bool:
        """Wait for a machine's process to be gone, for so many seconds; whether it is."""
        known, until = self.known(machine_id), time.monotonic() + patience
        while self.is_running(machine_id, known):
            if time.monotonic() > until:
                return False
            await asyncio.sleep(SOON)
        return True

    async def start(self, machine: Machine) -> None:
        """Start a process; raises DriverError, with what it said, if it does not answer."""
        before = self.known(machine.id)
        self.has_room(machine)
        if machine.image_id is not None:
            raise DriverError("This cloud has virtual machines only: servers need disks to be real", retryable=False)
        folder = self.home.machine(machine.id)
        folder.mkdir(exist_ok=True, mode=0o700)
        self.home.chown_to_qemu(folder)
        disks = self.hung(machine)
        known = MachineRecord(machine=machine, intent=RUNNING, restarted_for=before.restarted_for if before else None)
        # The fabric is told of every machine that is known: it has to know whom it serves metadata to.
        self.remember(known)
        plugs = [*disks, *await self.wired(machine)]
        self._sow(folder, machine)
        child = self._spawned(machine, arguments.command(self.programs, machine, plugs))
        self.track_process(machine.id, child)
        create_cgroup(machine, child.pid)
        self.remember(replace(known, pid=child.pid, started=started_at(child.pid), host_boot=host_boot()))
        await self._born(machine.id)

    def _sow(self, folder: Path, machine: Machine) -> None:
        """Write down what the machine reads at its first boot, once."""
        file = folder / arguments.SEED
        if file.exists():
            return
        with open_untrusted(file, "wb") as sown:
            sown.write(seed(machine, self.seeded_subnets()))
        self.home.chown_to_qemu(file)

    def _spawned(self, machine: Machine, command: list[str]) -> subprocess.Popen[bytes]:
        """QEMU in a session of its own: what ends the server does not end it."""
        folder = self.home.machine(machine.id)
        log = folder / "qemu.log"
        log.unlink(missing_ok=True)
        with open_untrusted(log, "wb") as said:
            return subprocess.Popen(  # noqa: S603  # nothing of a tenant's stands in it but sizes and ids
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
                **self.home.popen_credentials(),
            )

    async def _born(self, machine_id: str) -> None:
        """Wait until it answers; raises DriverError."""
        until = time.monotonic() + BIRTH
        while self.is_running(machine_id, self.known(machine_id)) and time.monotonic() < until:
            with suppress(Silent):
                async with self.monitor(machine_id) as monitor:
                    await monitor.runstate()
                    return
            await asyncio.sleep(SOON)
        await self.end(machine_id)
        why = self.exit_reason(machine_id)
        self.remember(replace(self.existing(machine_id), reason=why))
        raise DriverError(f"The machine could not be started: {why}", retryable=False)

    def exit_reason(self, machine_id: str) -> str:
        """Why a machine's process has ended, as far as that can be told."""
        child = self.children.get(machine_id)
        ended = child.poll() if child else None
        if ended is not None and ended < 0:
            return f"QEMU was ended by {signal.Signals(-ended).name}"
        said = _last(self.home.machine(machine_id) / "qemu.log")
        return f"QEMU ended: {said}" if said else "QEMU ended without a word"


async def _until(monitor: Monitor, state: str, patience: float) -> bool:
    until = time.monotonic() + patience
    while await monitor.runstate() != state:
        if time.monotonic() > until:
            return False
        await asyncio.sleep(SOON)
    return True


def _last(log: Path) -> str:
    """The last line of a short log."""
    with suppress(OSError):
        with open_untrusted(log, "rb") as said:
            lines = said.read(LONGEST).decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else ""
    return ""
