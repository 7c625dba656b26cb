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

from pileus.domain.instances import Status
from pileus.drivers.driver import Console, Disk, DriverError, Machine, Nic, Sample, Seen

SCHEMA = """
CREATE TABLE IF NOT EXISTS machines (
    id TEXT PRIMARY KEY, status TEXT NOT NULL, vm_state TEXT, machine TEXT NOT NULL, restarted_for TEXT
);
CREATE TABLE IF NOT EXISTS volumes (id TEXT PRIMARY KEY, size INTEGER NOT NULL, machine_id TEXT);
CREATE TABLE IF NOT EXISTS interfaces (port_id TEXT PRIMARY KEY, machine_id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
SECONDS = {"create": 15.0, "delete": 15.0, "start": 5.0, "stop": 8.0, "suspend": 6.0, "restart": 7.0, "resize": 20.0,
           "volume": 5.0, "attach": 3.0, "plug": 2.0}  # fmt: skip
"""How long things take in realistic time."""
CONSOLES = {"spice-html5": "spice", "novnc": "vnc"}


class Simulated:
    """The driver: Compute, Volumes, Networks, Hosts, Consoles and Metrics."""

    def __init__(
        self,
        file: Path,
        *,
        hosts: int = 8,
        realistic: bool = False,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._db = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA busy_timeout=10000")
        self._db.execute("PRAGMA journal_mode=WAL")
        # Its promise is to outlive the process, not the host: the page cache is enough for that.
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.executescript(SCHEMA)
        self._hosts = [f"sim-{number:02}" for number in range(1, hosts + 1)]
        self._sleep = sleep
        if realistic:
            self.set_time("realistic")
        elif self._db.execute("SELECT 1 FROM settings WHERE name = 'time'").fetchone() is None:
            self.set_time("instant")

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

    async def ensure_sized(self, machine: Machine) -> None:
        """Change a machine's size."""
        status = self._known(machine.id)
        if msgspec.json.decode(self._spec(machine.id), type=Machine).flavor_id != machine.flavor_id:
            await self._take("resize")
            self._keep(machine, Status(status))

    async def ensure_gone(self, machine_id: str) -> None:
        """Remove a machine and take everything off it."""
        if self._status(machine_id) is None:
            return
        await self._take("delete")
        self._db.execute("UPDATE volumes SET machine_id = NULL WHERE machine_id = ?", (machine_id,))
        self._db.execute("DELETE FROM interfaces WHERE machine_id = ?", (machine_id,))
        self._db.execute("DELETE FROM machines WHERE id = ?", (machine_id,))

    async def observe(self) -> AsyncIterator[Seen]:
        """Every machine, as it stands."""
        for machine_id, status, vm_state in self._db.execute("SELECT id, status, vm_state FROM machines ORDER BY id").fetchall():
            yield Seen(machine_id=machine_id, status=status, vm_state=vm_state)

    async def ensure_volume(self, disk: Disk) -> None:
        """Make a volume."""
        if self._db.execute("SELECT 1 FROM volumes WHERE id = ?", (disk.id,)).fetchone() is None:
            await self._take("volume")
            self._db.execute("INSERT OR IGNORE INTO volumes (id, size) VALUES (?, ?)", (disk.id, disk.size))

    async def ensure_no_volume(self, volume_id: str) -> None:
        """Destroy a volume."""
        self._db.execute("DELETE FROM volumes WHERE id = ?", (volume_id,))

    async def ensure_attached(self, machine_id: str, disk: Disk) -> None:
        """Attach a volume."""
        row = self._db.execute("SELECT machine_id FROM volumes WHERE id = ?", (disk.id,)).fetchone()
        if row is None:
            raise DriverError(f"Volume {disk.id} does not exist", retryable=False)
        if row[0] not in (None, machine_id):
            raise DriverError(f"Volume {disk.id} is attached to another machine", retryable=False)
        if row[0] is None:
            await self._take("attach")
            self._db.execute("UPDATE volumes SET machine_id = ? WHERE id = ?", (machine_id, disk.id))

    async def ensure_detached(self, machine_id: str, volume_id: str) -> None:
        """Detach a volume."""
        self._db.execute("UPDATE volumes SET machine_id = NULL WHERE id = ? AND machine_id = ?", (volume_id, machine_id))

    async def ensure_plugged(self, machine_id: str, nic: Nic) -> None:
        """Plug an interface in."""
        if self._db.execute("SELECT 1 FROM interfaces WHERE port_id = ?", (nic.port_id,)).fetchone() is None:
            await self._take("plug")
            self._db.execute("INSERT OR IGNORE INTO interfaces VALUES (?, ?)", (nic.port_id, machine_id))

    async def ensure_unplugged(self, machine_id: str, port_id: str) -> None:
        """Pull an interface out."""
        self._db.execute("DELETE FROM interfaces WHERE port_id = ? AND machine_id = ?", (port_id, machine_id))

    async def hosts(self, region_id: int) -> Sequence[str]:
        """The simulated hosts of a region."""
        return [f"{name}-r{region_id}" for name in self._hosts]

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
        phase = int(hashlib.sha256(machine_id.encode()).hexdigest()[:8], 16)
        disks = [row[0] for row in self._db.execute("SELECT id FROM volumes WHERE machine_id = ? ORDER BY id", (machine_id,))]
        names = [f"vd{chr(ord('a') + at)}" for at in range(min(len(disks), 26))]
        return [_sample(since + step * at, phase, names, running=running) for at in range(1, count + 1)]

    def set_state(self, machine_id: str, status: str, vm_state: str | None = None) -> None:
        """Let a machine be in a state, as if something had happened to it; raises DriverError for an unknown one."""
        self._known(machine_id)
        self._db.execute("UPDATE machines SET status = ?, vm_state = ? WHERE id = ?", (status, vm_state, machine_id))

    def set_time(self, mode: str) -> None:
        """Let transitions take no time (`instant`), or as long as a real cloud's (`realistic`)."""
        self._db.execute("INSERT OR REPLACE INTO settings VALUES ('time', ?)", (mode,))

    def counts(self) -> tuple[int, int, int]:
        """How many machines, volumes and interfaces there are."""
        tables = ("machines", "volumes", "interfaces")
        machines, volumes, interfaces = (self._db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables)  # noqa: S608
        return machines, volumes, interfaces

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    async def _take(self, what: str) -> None:
        (mode,) = self._db.execute("SELECT value FROM settings WHERE name = 'time'").fetchone()
        if mode == "realistic":
            await self._sleep(SECONDS[what])

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

    def _spec(self, machine_id: str) -> str:
        (machine,) = self._db.execute("SELECT machine FROM machines WHERE id = ?", (machine_id,)).fetchone()
        return str(machine)

    def _keep(self, machine: Machine, status: Status) -> None:
        self._db.execute(
            "INSERT INTO machines (id, status, machine) VALUES (?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET status = excluded.status, vm_state = NULL, machine = excluded.machine",
            (machine.id, status.value, _without_secrets(machine)),
        )


def _without_secrets(machine: Machine) -> str:
    return msgspec.json.encode(msgspec.structs.replace(machine, boot=type(machine.boot)())).decode()


def _sample(time: int, phase: int, disks: Sequence[str], *, running: bool) -> Sample:
    day = 86_400_000_000
    wave = (1 + math.sin(2 * math.pi * ((time + phase * 1000) % day) / day)) / 2 if running else 0.0
    return Sample(
        time=time,
        cpu_util=round(5 + 60 * wave, 2) if running else 0.0,
        memory_util=round(30 + 20 * wave, 2) if running else 0.0,
        network_bytes_in=round(40_000 * wave, 2),
        network_bytes_out=round(25_000 * wave, 2),
        network_packets_in=round(60 * wave, 2),
        network_packets_out=round(45 * wave, 2),
        disks={name: (round(9_000 * wave, 2), round(14_000 * wave, 2), round(3 * wave, 2), round(5 * wave, 2)) for name in disks},
    )
