"""The simulated driver: its machines, volumes and interfaces exist in a state file.

They survive the control plane, as real ones do: a server that was killed finds the same machines again, and several
processes of one host share them. Transitions take no time, or as long as in a real cloud.
"""

import asyncio
import hashlib
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import msgspec

from pileus.domain.compute.instances import Status
from pileus.drivers.network_state import NetworkState
from pileus.drivers.protocols.compute import MachineSpec, ObservedMachine
from pileus.drivers.protocols.config import DownloadLimits, DriverConfig
from pileus.drivers.protocols.consoles import ConsoleAddress
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.metrics import MachineSample, TrafficSample
from pileus.drivers.simulated.images import SimulatedImages
from pileus.drivers.simulated.metrics import sample_times, simulate_machine_samples, simulate_traffic_samples
from pileus.drivers.simulated.settings import SimulatedSettings
from pileus.drivers.simulated.storage import SimulatedStorage

CONSOLES = {"spice-html5": "spice", "novnc": "vnc", "vnc": "vnc", "serial": "serial"}


class Simulated(SimulatedStorage, SimulatedImages, NetworkState):
    """The driver; it fulfils all Protocols but those of real machines."""

    def __init__(  # noqa: PLR0913  # its configuration
        self,
        file: Path,
        *,
        hosts: int = 8,
        realistic: bool = False,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        download_limits: DownloadLimits | None = None,
        public_url: str = "",
    ) -> None:
        super().__init__(file, realistic=realistic, sleep=sleep)
        self._download_limits = download_limits or DownloadLimits()
        self._public_url = public_url
        self._hosts = [f"sim-{number:02}" for number in range(1, hosts + 1)]

    @classmethod
    def create(cls, config: DriverConfig[SimulatedSettings]) -> "Simulated":
        """Create the driver with the hosts of the catalogue; its state file is in the data directory."""
        return cls(
            config.data / "simulated.db",
            hosts=config.catalogue.servers.count,
            realistic=config.settings.time == "realistic",
            download_limits=config.download_limits,
            public_url=config.public_url,
        )

    async def check_health(self) -> str:
        """Read the state file. Raises DriverError."""
        try:
            self._db.execute("SELECT 1 FROM machines LIMIT 1").fetchone()
        except sqlite3.Error as problem:
            raise DriverError(f"The simulated cloud's file cannot be read: {problem}", retryable=True) from problem
        return "simulated"

    async def ensure_running_machine(self, machine: MachineSpec) -> None:
        """Run a machine; a new one takes longer than a stopped one."""
        status = self._status(machine.id)
        if status == Status.ACTIVE:
            return
        await self._take_time("start" if status else "create")
        self._detach_all_except_named(machine)
        self._save_machine(machine, Status.ACTIVE)

    async def ensure_stopped_machine(self, machine_id: str) -> None:
        """Stop a machine."""
        await self._set_status(machine_id, Status.SHUTOFF, "stop")

    async def ensure_suspended_machine(self, machine_id: str) -> None:
        """Suspend a machine."""
        await self._set_status(machine_id, Status.SUSPENDED, "suspend")

    async def ensure_restarted_machine(self, machine: MachineSpec, request_id: str, *, hard: bool) -> None:
        """Restart a machine once for each request; a hard restart takes as long as a start."""
        row = self._db.execute("SELECT restarted_for FROM machines WHERE id = ?", (machine.id,)).fetchone()
        if row and row[0] == request_id:
            return
        await self._take_time("restart" if not hard else "start")
        self._detach_all_except_named(machine)
        self._save_machine(machine, Status.ACTIVE)
        self._db.execute("UPDATE machines SET restarted_for = ? WHERE id = ?", (request_id, machine.id))

    async def ensure_rebuilt_machine(self, machine: MachineSpec, request_id: str) -> None:
        """Rebuild a machine once for each request."""
        self._require_status(machine.id)
        row = self._db.execute("SELECT restarted_for FROM machines WHERE id = ?", (machine.id,)).fetchone()
        if row[0] != request_id:
            await self._take_time("create")
            self._save_machine(machine, Status.ACTIVE)
            self._db.execute("UPDATE machines SET restarted_for = ? WHERE id = ?", (request_id, machine.id))

    async def ensure_machine_size(self, machine: MachineSpec) -> None:
        """Change a machine's size."""
        status = self._require_status(machine.id)
        if self.get_machine(machine.id).flavor_id != machine.flavor_id:
            await self._take_time("resize")
            self._save_machine(machine, Status(status))

    async def ensure_no_machine(self, machine_id: str) -> None:
        """Delete a machine, and detach its volumes and interfaces."""
        if self._status(machine_id) is None:
            return
        await self._take_time("delete")
        self._db.execute("UPDATE volumes SET machine_id = NULL WHERE machine_id = ?", (machine_id,))
        self._db.execute("DELETE FROM nics WHERE parent = ?", (machine_id,))
        self._db.execute("DELETE FROM machines WHERE id = ?", (machine_id,))

    async def observe(self) -> AsyncIterator[ObservedMachine]:
        """Iterate over the states of all machines."""
        for machine_id, status, vm_state in self._db.execute(
            "SELECT id, status, vm_state FROM machines ORDER BY id"
        ).fetchall():
            yield ObservedMachine(machine_id=machine_id, status=status, vm_state=vm_state)

    async def ensure_ddos_protection(self, region_id: int, ip_address: str, *, active: bool) -> None:
        """Protect an address."""
        row = self._db.execute(
            "SELECT active FROM protections WHERE region_id = ? AND ip_address = ?", (region_id, ip_address)
        ).fetchone()
        if row is None or bool(row[0]) != active:
            await self._take_time("protect")
            self._db.execute(
                "INSERT OR REPLACE INTO protections VALUES (?, ?, ?)", (region_id, ip_address, int(active))
            )

    async def ensure_no_ddos_protection(self, region_id: int, ip_address: str) -> None:
        """Remove the protection of an address."""
        self._db.execute("DELETE FROM protections WHERE region_id = ? AND ip_address = ?", (region_id, ip_address))

    async def list_host_names(self, region_id: int) -> Sequence[str]:
        """Return the simulated hosts of a region."""
        return [f"{name}-r{region_id}" for name in self._hosts]

    async def ensure_machine_host(self, machine: MachineSpec) -> None:
        """Move a machine to the host that it names."""
        status = self._require_status(machine.id)
        if self.get_machine(machine.id).host != machine.host:
            await self._take_time("migrate")
            self._save_machine(machine, Status(status))

    async def open_console(self, machine_id: str, console_type: str | None) -> ConsoleAddress:
        """Return the address of a page; there is no screen behind it."""
        kind = console_type or "spice-html5"
        if kind not in CONSOLES:
            raise DriverError(f"Unknown console type {kind}: use one of {', '.join(CONSOLES)}", retryable=False)
        if self._require_status(machine_id) != Status.ACTIVE:
            raise DriverError(f"Machine {machine_id} has no console while it is not running", retryable=True)
        secret = hashlib.sha256(f"{machine_id} {kind}".encode()).hexdigest()[:32]
        url = f"{self._public_url}/console/{kind}?token={secret}"
        return ConsoleAddress(url=url, type=kind, protocol=CONSOLES[kind])

    async def machine_samples(self, machine_id: str, since: int, until: int, max_count: int) -> list[MachineSample]:
        """Return made-up samples: a daily wave for each machine, the same for every caller; flat unless it runs."""
        running = self._require_status(machine_id) == Status.ACTIVE
        (volumes,) = self._db.execute("SELECT count(*) FROM volumes WHERE machine_id = ?", (machine_id,)).fetchone()
        return simulate_machine_samples(machine_id, sample_times(since, until, max_count), volumes, running=running)

    async def router_traffic_by_port_id(
        self, router_id: str, since: int, until: int, max_count: int
    ) -> dict[str, list[TrafficSample]]:
        """Return made-up samples: a daily wave for each interface of a router."""
        record = self.find_router_with_nics(router_id)
        if record is None:
            raise DriverError(f"Router {router_id} does not exist", retryable=False)
        router, nics = record
        port_ids = [*([router.outside.port_id] if router.outside else []), *sorted(nics)]
        times = sample_times(since, until, max_count)
        return {port_id: simulate_traffic_samples(port_id, times) for port_id in port_ids}

    def set_machine_state(self, machine_id: str, status: str, vm_state: str | None = None) -> None:
        """Put a machine into a state, as if it had changed by itself. Raises DriverError if there is none."""
        self._require_status(machine_id)
        self._db.execute("UPDATE machines SET status = ?, vm_state = ? WHERE id = ?", (status, vm_state, machine_id))

    def count_machines_volumes_and_nics(self) -> tuple[int, int, int]:
        """Return the numbers of machines, volumes and interfaces."""
        row: tuple[int, int, int] = self._db.execute(
            "SELECT (SELECT count(*) FROM machines), (SELECT count(*) FROM volumes), (SELECT count(*) FROM nics)"
        ).fetchone()
        return row

    def get_machine(self, machine_id: str) -> MachineSpec:
        """Return a machine. Raises DriverError if there is none."""
        self._require_status(machine_id)
        (machine,) = self._db.execute("SELECT machine FROM machines WHERE id = ?", (machine_id,)).fetchone()
        return msgspec.json.decode(machine, type=MachineSpec)

    async def _set_status(self, machine_id: str, status: Status, change: str) -> None:
        if self._require_status(machine_id) != status:
            await self._take_time(change)
            self._db.execute("UPDATE machines SET status = ?, vm_state = NULL WHERE id = ?", (status.value, machine_id))

    def _status(self, machine_id: str) -> str | None:
        row = self._db.execute("SELECT status FROM machines WHERE id = ?", (machine_id,)).fetchone()
        return None if row is None else str(row[0])

    def _require_status(self, machine_id: str) -> str:
        status = self._status(machine_id)
        if status is None:
            raise DriverError(f"Machine {machine_id} does not exist", retryable=False)
        return status

    def _detach_all_except_named(self, machine: MachineSpec) -> None:
        """Detach the volumes and interfaces that a machine does not name."""
        named_volumes = msgspec.json.encode([disk.id for disk in machine.disks]).decode()
        named_nics = msgspec.json.encode([nic.port_id for nic in machine.nics]).decode()
        self._db.execute(
            "UPDATE volumes SET machine_id = NULL WHERE machine_id = ? AND id NOT IN (SELECT value FROM json_each(?))",
            (machine.id, named_volumes),
        )
        self._db.execute(
            "DELETE FROM nics WHERE parent = ? AND id NOT IN (SELECT value FROM json_each(?))",
            (machine.id, named_nics),
        )

    def _save_machine(self, machine: MachineSpec, status: Status) -> None:
        self._db.execute(
            "INSERT INTO machines (id, status, machine) VALUES (?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET status = excluded.status, vm_state = NULL, machine = excluded.machine",
            (machine.id, status.value, _without_secrets(machine)),
        )


def _without_secrets(machine: MachineSpec) -> str:
    return msgspec.json.encode(msgspec.structs.replace(machine, boot=type(machine.boot)())).decode()
