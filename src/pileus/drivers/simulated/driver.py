"""The simulated driver: its machines, volumes and interfaces are records in the server's database.

They survive the control plane, as real ones do: a server that was killed finds the same machines again, and all
servers of the database share them. Transitions take no time, or as long as in a real cloud.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from pileus.domain.compute.instances import Status
from pileus.domain.simulated_cloud import SimulatedSetting, SimulatedVolume
from pileus.drivers.protocols.config import DownloadLimits, DriverConfig, read_system_time
from pileus.drivers.protocols.consoles import ConsoleAddress
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.metrics import MachineSample, TrafficSample
from pileus.drivers.protocols.records import Records, RecordStore
from pileus.drivers.simulated.file_shares import SimulatedFileShares
from pileus.drivers.simulated.former_file import FORMER_FILE, import_former_file
from pileus.drivers.simulated.images import SimulatedImages
from pileus.drivers.simulated.load_balancers import SimulatedLoadBalancers
from pileus.drivers.simulated.machines import SimulatedMachines, require_machine
from pileus.drivers.simulated.metrics import sample_times, simulate_machine_samples, simulate_traffic_samples
from pileus.drivers.simulated.settings import SimulatedSettings
from pileus.drivers.simulated.state import REALISTIC, TIME
from pileus.drivers.simulated.storage import SimulatedStorage

CONSOLES = {"spice-html5": "spice", "novnc": "vnc", "vnc": "vnc", "serial": "serial"}


class Simulated(SimulatedMachines, SimulatedStorage, SimulatedFileShares, SimulatedImages, SimulatedLoadBalancers):
    """The driver; it fulfils all Protocols but those of real machines."""

    SERVES_ALL_ITS_REGIONS = True

    def __init__(  # noqa: PLR0913  # its configuration
        self,
        record_store: RecordStore,
        *,
        hosts: int = 8,
        realistic: bool = False,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], int] = read_system_time,
        download_limits: DownloadLimits | None = None,
        public_url: str = "",
        former_file: Path | None = None,
    ) -> None:
        super().__init__(record_store, sleep=sleep, now=now)
        self._realistic = realistic
        self._download_limits = download_limits or DownloadLimits()
        self._public_url = public_url
        self._former_file = former_file
        self._hosts = [f"sim-{number:02}" for number in range(1, hosts + 1)]

    @classmethod
    def create(cls, config: DriverConfig[SimulatedSettings]) -> "Simulated":
        """Create the driver with the hosts of the catalogue. Raises OSError without a database for its records."""
        if config.record_store is None:
            raise OSError("The simulated driver needs a database for its records")
        return cls(
            config.record_store,
            hosts=config.catalogue.servers.count,
            realistic=config.settings.time == REALISTIC,
            sleep=config.sleep,
            now=config.now,
            download_limits=config.download_limits,
            public_url=config.public_url,
            former_file=config.data / FORMER_FILE,
        )

    async def start(self) -> None:
        """Take over the machines that an earlier version kept in a file, and apply the setting of the time."""
        if self._former_file is not None:
            await import_former_file(self._record_store, self._former_file)
        await self._record_store.write(self.write_first_records)

    async def write_first_records(self, records: Records) -> None:
        """Apply the setting of the time."""
        if self._realistic:
            await records.save(SimulatedSetting(name=TIME, value=REALISTIC))

    async def list_host_names(self, region_id: int) -> Sequence[str]:
        """Return the simulated hosts of a region."""
        return [f"{name}-r{region_id}" for name in self._hosts]

    async def open_console(self, machine_id: str, console_type: str | None) -> ConsoleAddress:
        """Return the address of a page; there is no screen behind it."""
        kind = console_type or "spice-html5"
        if kind not in CONSOLES:
            raise DriverError(f"Unknown console type {kind}: use one of {', '.join(CONSOLES)}", retryable=False)
        async with self._record_store.read() as records:
            machine = await require_machine(records, machine_id)
        if machine.status != Status.ACTIVE:
            raise DriverError(f"Machine {machine_id} has no console while it is not running", retryable=True)
        secret = hashlib.sha256(f"{machine_id} {kind}".encode()).hexdigest()[:32]
        url = f"{self._public_url}/console/{kind}?token={secret}"
        return ConsoleAddress(url=url, type=kind, protocol=CONSOLES[kind])

    async def machine_samples(self, machine_id: str, since: int, until: int, max_count: int) -> list[MachineSample]:
        """Return made-up samples: a daily wave for each machine, the same for every caller; flat unless it runs."""
        async with self._record_store.read() as records:
            running = (await require_machine(records, machine_id)).status == Status.ACTIVE
            volume_count = len(await records.find_all(SimulatedVolume, machine_id=machine_id))
        times = sample_times(since, until, max_count)
        return simulate_machine_samples(machine_id, times, volume_count, running=running)

    async def router_traffic_by_port_id(
        self, router_id: str, since: int, until: int, max_count: int
    ) -> dict[str, list[TrafficSample]]:
        """Return made-up samples: a daily wave for each interface of a router."""
        record = await self.find_router_with_nics(router_id)
        if record is None:
            raise DriverError(f"Router {router_id} does not exist", retryable=False)
        router, nics = record
        port_ids = [*([router.outside.port_id] if router.outside else []), *sorted(nics)]
        times = sample_times(since, until, max_count)
        return {port_id: simulate_traffic_samples(port_id, times) for port_id in port_ids}
