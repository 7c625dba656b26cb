"""A driver whose machines only the server with its data directory has."""

import asyncio
import socket
from collections.abc import Callable

from pileus.domain.compute.instances import Status
from pileus.drivers.protocols.config import DriverConfig
from pileus.drivers.protocols.consoles import ConsoleAddress
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.metrics import MachineSample
from tests.drivers.memory import MemoryDriver, MemorySettings

GREETING = b"RFB 003.008\n"


class LocalDriver(MemoryDriver):
    """Also fulfils SupportsConsoles, SupportsScreenStreams, SupportsSerialLogs, SupportsMachineMetrics and others."""

    MACHINES_ARE_IN_DATA_DIRECTORY = True

    def __init__(self, settings: MemorySettings, region_ids: list[int], public_url: str) -> None:
        super().__init__(settings, region_ids)
        self.public_url = public_url
        self.typed = asyncio.Queue[bytes]()
        self._screens: list[asyncio.Task[None]] = []

    @classmethod
    def create(cls, config: DriverConfig[MemorySettings]) -> "LocalDriver":
        """Create the driver."""
        return cls(config.settings, [region.id for region in config.catalogue.regions], config.public_url)

    async def watch_machines(self, on_change: Callable[[], None]) -> None:
        """Report nothing."""
        on_change()
        await asyncio.Event().wait()

    async def open_console(self, machine_id: str, console_type: str | None) -> ConsoleAddress:  # noqa: ARG002  # of the Protocol
        """Return an address with the machine as its ticket."""
        return ConsoleAddress(url=f"{self.public_url}/screens#{machine_id}", type="novnc", protocol="vnc")

    async def open_screen_stream(self, token: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a screen that greets, and keeps what is typed."""
        if self.statuses.get(token) != Status.ACTIVE:
            raise DriverError("There is no such screen", retryable=False)
        ours, theirs = socket.socketpair()
        self._screens.append(asyncio.create_task(self._show_screen(theirs)))
        return await asyncio.open_connection(sock=ours)

    async def _show_screen(self, theirs: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=theirs)
        writer.write(GREETING)
        while data := await reader.read(1000):
            self.typed.put_nowait(data)
        writer.close()

    async def read_serial_log_end(self, machine_id: str, max_bytes: int) -> bytes:
        """Return a line that names the machine."""
        return f"login on {self.machines[machine_id].id}\n".encode()[-max_bytes:]

    async def machine_samples(self, machine_id: str, since: int, until: int, max_count: int) -> list[MachineSample]:  # noqa: ARG002  # of the Protocol
        """Return one sample."""
        return [
            MachineSample(
                time=until,
                cpu_util=25.0,
                memory_util=50.0,
                network_bytes_in=0.0,
                network_bytes_out=0.0,
                network_packets_in=0.0,
                network_packets_out=0.0,
                disks={},
            )
        ]
