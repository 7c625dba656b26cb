"""The configuration that a driver is created from."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from msgspec import Struct

from pileus.domain.catalogue import Catalogue
from pileus.drivers.protocols.compute import Compute
from pileus.drivers.protocols.records import RecordStore

S = TypeVar("S", bound=Struct)


def read_system_time() -> int:
    """Return the time of the system in microseconds since 1970."""
    return time.time_ns() // 1000


class DownloadLimits(Struct, frozen=True, kw_only=True):
    """Limits of images that tenants request: sizes, seconds, and which addresses are allowed.

    `max_bytes` bounds the download and the file that it is converted to, `max_virtual_bytes` the disk that it
    describes, and `seconds` the download and the conversion, each.
    Only public addresses are allowed, or with `allow_private` all but link-local ones, where clouds serve secrets.
    `enabled` says whether the operator wants downloads at all; None leaves it to the driver.
    """

    max_bytes: int = 64 << 30
    max_virtual_bytes: int = 2 << 40
    seconds: float = 3600
    allow_private: bool = False
    enabled: bool | None = None


class DriverConfig(Struct, Generic[S], frozen=True):
    """The server's data directory, the operator's catalogue with the driver's regions, and the driver's own settings.

    `public_url` is the address at which clients reach the server. `record_store` is where the simulated driver keeps
    its records: tables of the server's database. `sleep` waits until so many seconds have passed on the clock of the
    cloud, which a simulated cloud can freeze and advance; `now` returns its time in microseconds since 1970.
    """

    data: Path
    catalogue: Catalogue
    settings: S
    download_limits: DownloadLimits = DownloadLimits()
    public_url: str = "http://127.0.0.1:8080"
    record_store: RecordStore | None = None
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    now: Callable[[], int] = read_system_time


class DriverFactory(Protocol):
    """The class of a driver, which the entry point names.

    It may have the attribute `MACHINES_ARE_IN_DATA_DIRECTORY`. If that is true, a server with another data directory
    on the same database is refused.

    It may have the attribute `SERVES_ALL_ITS_REGIONS`. If that is true, one driver serves all regions that name it, and
    a catalogue whose regions have different options for it is refused. Else there is a driver for each set of options.

    It may have the attribute `PLACE_SETTINGS`: the names of the settings that choose the installation it works on. A
    region with resources keeps them, as it keeps its driver.
    """

    def create(self, config: DriverConfig[Any]) -> Compute:
        """Create the driver. Raises OSError with a message for the operator if that is impossible."""
