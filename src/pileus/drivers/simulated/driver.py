"""A simulated cloud: machines, volumes and interfaces that exist in a file of its own and survive the control plane.

It is the world that the control plane steers, not a part of it: a server that is killed finds the same machines when it
comes back, and several processes on one host share them. Transitions take no time, or as long as a real cloud's.
"""

import asyncio
import hashlib
import math
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import msgspec

from pileus.domain.compute.instances import Status
from pileus.drivers.network_state import NetworkState
from pileus.drivers.protocols.compute import Console, DriverConfig, DriverError, Fetching, Machine, ObservedMachine
from pileus.drivers.protocols.metrics import Sample, Traffic
from pileus.drivers.simulated.images import Images
from pileus.drivers.simulated.storage import Storage

CONSOLES = {"spice-html5": "spice", "novnc": "vnc", "vnc": "vnc", "serial": "serial"}


class Simulated(Storage, Images, NetworkState):
    """The driver: all that there is in `driver.py`."""

    def __init__(
        self,
        file: Path,
        *,
        hosts: int = 8,
        realistic: bool = False,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        fetching: Fetching | None = None,
    ) -> None:
        super().__init__(file, realistic=realistic, sleep=sleep)
        self._fetching = fetching or Fetching()
        self._hosts = [f"sim-{number:02}" for number in range(1, hosts + 1)]

    @classmethod
    def create(cls, setup: DriverConfig) -> "Simulated":
        """Make it with the hosts of the catalogue; what it knows is in a file of the data directory."""
        file, hosts = setup.data / "simulated.db", setup.catalogue.servers.count
        return cls(file, hosts=hosts, fetching=setup.fetching)

    async def check(self) -> str:
        """Look into the file."""
        try:
            self._db.execute("SELECT 1 FROM machines LIMIT 1").fetchone()
        except sqlite3.Error as problem:
            raise DriverError(f"The simulated cloud's file cannot be read: {problem}", retryable=True) from problem
        return "simulated"

    async def ensure_running(self, machine: Machine) -> None:
        """Run a machine; a new one takes longer than one that is only off."""
        status = self._status(machine.id)
        if status == Status.ACTIVE:
            return
        await self._take("start" if status else "create")
        self._keep(machine, Status.ACTIVE)

    async def ensure_stopped(self, machine_id: str) -> None:
        """Stop a machine."""
        await self._bring(machine_id, Status.SHUTOFF, "stop")

    async def ensure_suspended(self, machine_id: str) -> None:
        """Suspend a machine."""
        await self._bring(machine_id, Status.SUSPENDED, "suspend")

    async def ensure_restarted(self, machine: Machine, request: str, *, hard: bool) -> None:
        """Restart a machine once a request; a hard restart also brings back one that has failed."""
        row = self._db.execute("SELECT restarted_for FROM machines WHERE id = ?", (machine.id,)).fetchone()
        if row and row[0] == request:
            return
        await self._take("restart" if not hard else "start")
        self._keep(machine, Status.ACTIVE)
        self._db.execute("UPDATE machines SET restarted_for = ? WHERE id = ?", (request, machine.id))

    async def ensure_rebuilt(self, machine: Machine, request: str) -> None:
        """Rebuild a machine once a request."""
        self._known(machine.id)
        row = self._db.execute("SELECT restarted_for FROM machines WHERE id = ?", (machine.id,)).fetchone()
        if row[0] != request:
            await self._take("create")
            self._keep(machine, Status.ACTIVE)
            self._db.execute("UPDATE machines SET restarted_for = ? WHERE id = ?", (request, machine.id))

    async def ensure_sized(self, machine: Machine) -> None:
        """Change a machine's size."""
        status = self._known(machine.id)
        if self.machine(machine.id).flavor_id != machine.flavor_id:
            await self._take("resize")
            self._keep(machine, Status(status))

    async def ensure_gone(self, machine_id: str) -> None:
        """Remove a machine and take everything off it."""
        if self._status(machine_id) is None:
            return
        await self._take("delete")
        self._db.execute("UPDATE volumes SET machine_id = NULL WHERE machine_id = ?", (machine_id,))
        self._db.execute("DELETE FROM nics WHERE parent = ?", (machine_id,))
        self._db.execute("DELETE FROM machines WHERE id = ?", (machine_id,))

    async def observe(self) -> AsyncIterator[ObservedMachine]:
        """Every machine, as it stands."""
        for machine_id, status, vm_state in self._db.execute(
            "SELECT id, status, vm_state FROM machines ORDER BY id"
        ).fetchall():
            yield ObservedMachine(machine_id=machine_id, status=status, vm_state=vm_state)

    async def ensure_protected(self, region_id: int, ip_address: str, *, active: bool) -> None:
        """Protect an address."""
        row = self._db.execute(
            "SELECT active FROM protections WHERE region_id = ? AND ip_address = ?", (region_id, ip_address)
        ).fetchone()
        if row is None or bool(row[0]) != active:
            await self._take("protect")
            self._db.execute(
                "INSERT OR REPLACE INTO protections VALUES (?, ?, ?)", (region_id, ip_address, int(active))
            )

    async def ensure_unprotected(self, region_id: int, ip_address: str) -> None:
        """Protect it no more."""
        self._db.execute("DELETE FROM protections WHERE region_id = ? AND ip_address = ?", (region_id, ip_address))

    async def hosts(self, region_id: int) -> Sequence[str]:
        """The simulated hosts of a region."""
        return [f"{name}-r{region_id}" for name in self._hosts]

    async def ensure_on_host(self, machine: Machine) -> None:
        """Move a machine."""
        status = self._known(machine.id)
        if self.machine(machine.id).host != machine.host:
            await self._take("migrate")
            self._keep(machine, Status(status))

    async def console(self, machine_id: str, console_type: str | None) -> Console:
        """A console's address; nobody answers there, as there is no screen."""
        kind = console_type or "spice-html5"
        if kind not in CONSOLES:
            raise DriverError(f"Unknown console type {kind}: use one of {', '.join(CONSOLES)}", retryable=False)
        if self._known(machine_id) != Status.ACTIVE:
            raise DriverError(f"Machine {machine_id} has no console while it is not running", retryable=True)
        secret = hashlib.sha256(f"{machine_id} {kind}".encode()).hexdigest()[:32]
        return Console(url=f"http://127.0.0.1/console/{kind}?token={secret}", type=kind, protocol=CONSOLES[kind])

    async def metrics(self, machine_id: str, since: int, until: int, count: int) -> list[Sample]:
        """A daily wave of its own for each machine, the same whenever it is asked for; flat while it does not run."""
        running = self._known(machine_id) == Status.ACTIVE
        step = max((until - since) // max(count, 1), 1)
        phase = _phase(machine_id)
        disks = [
            row[0] for row in self._db.execute("SELECT id FROM volumes WHERE machine_id = ? ORDER BY id", (machine_id,))
        ]
        names = [f"vd{chr(ord('a') + at)}" for at in range(min(len(disks), 26))]
        return [_sample(since + step * at, phase, names, running=running) for at in range(1, count + 1)]

    async def traffic(self, router_id: str, since: int, until: int, count: int) -> dict[str, list[Traffic]]:
        """A daily wave of its own for each interface of a router."""
        found = self.router(router_id)
        if found is None:
            raise DriverError(f"Router {router_id} does not exist", retryable=False)
        router, nics = found
        outside = [router.outside.port_id] if router.outside else []
        step = max((until - since) // max(count, 1), 1)
        times = [since + step * at for at in range(1, count + 1)]
        return {port_id: [_passed(time, _phase(port_id)) for time in times] for port_id in [*outside, *sorted(nics)]}

    def set_state(self, machine_id: str, status: str, vm_state: str | None = None) -> None:
        """Let a machine be in a state, as if something had happened to it; raises DriverError for an unknown one."""
        self._known(machine_id)
        self._db.execute("UPDATE machines SET status = ?, vm_state = ? WHERE id = ?", (status, vm_state, machine_id))

    def counts(self) -> tuple[int, int, int]:
        """How many machines, volumes and interfaces there are."""
        row: tuple[int, int, int] = self._db.execute(
            "SELECT (SELECT count(*) FROM machines), (SELECT count(*) FROM volumes), (SELECT count(*) FROM nics)"
        ).fetchone()
        return row

    def machine(self, machine_id: str) -> Machine:
        """A machine as it was last told of; raises DriverError for an unknown one."""
        self._known(machine_id)
        (machine,) = self._db.execute("SELECT machine FROM machines WHERE id = ?", (machine_id,)).fetchone()
        return msgspec.json.decode(machine, type=Machine)

    async def _bring(self, machine_id: str, status: Status, what: str) -> None:
        if self._known(machine_id) != status:
            await self._take(what)
            self._db.execute("UPDATE machines SET status = ?, vm_state = NULL WHERE id = ?", (status.value, machine_id))

    def _status(self, machine_id: str) -> str | None:
        row = self._db.execute("SELECT status FROM machines WHERE id = ?", (machine_id,)).fetchone()
        return None if row is None else str(row[0])

    def _known(self, machine_id: str) -> str:
        status = self._status(machine_id)
        if status is None:
            raise DriverError(f"Machine {machine_id} does not exist", retryable=False)
        return status

    def _keep(self, machine: Machine, status: Status) -> None:
        self._db.execute(
            "INSERT INTO machines (id, status, machine) VALUES (?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET status = excluded.status, vm_state = NULL, machine = excluded.machine",
            (machine.id, status.value, _without_secrets(machine)),
        )


def _without_secrets(machine: Machine) -> str:
    return msgspec.json.encode(msgspec.structs.replace(machine, boot=type(machine.boot)())).decode()


def _phase(identity: str) -> int:
    return int(hashlib.sha256(identity.encode()).hexdigest()[:8], 16)


def _wave(time: int, phase: int) -> float:
    """From 0 to 1 and back in a day."""
    day = 86_400_000_000
    return (1 + math.sin(2 * math.pi * ((time + phase * 1000) % day) / day)) / 2


def _passed(time: int, phase: int) -> Traffic:
    wave = _wave(time, phase)
    return Traffic(
        time=time,
        bits_in=round(320_000 * wave, 2),
        bits_out=round(200_000 * wave, 2),
        packets_in=round(60 * wave, 2),
        packets_out=round(45 * wave, 2),
    )


def _sample(time: int, phase: int, disks: Sequence[str], *, running: bool) -> Sample:
    wave = _wave(time, phase) if running else 0.0
    return Sample(
        time=time,
        cpu_util=round(5 + 60 * wave, 2) if running else 0.0,
        memory_util=round(30 + 20 * wave, 2) if running else 0.0,
        network_bytes_in=round(40_000 * wave, 2),
        network_bytes_out=round(25_000 * wave, 2),
        network_packets_in=round(60 * wave, 2),
        network_packets_out=round(45 * wave, 2),
        disks={
            name: (round(9_000 * wave, 2), round(14_000 * wave, 2), round(3 * wave, 2), round(5 * wave, 2))
            for name in disks
        },
    )
