"""Servers in this process, each with a data directory of its own, over one PostgreSQL database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from pileus.app import RunningCloud
from pileus.settings import Settings
from tests.app_settings import checked_settings
from tests.drivers.local import LocalDriver
from tests.listening_clouds import run_listening_cloud
from tests.regions.clouds import catalogue_text
from tests.servers import KEY, free_port

REGIONS = {2: 'driver = "local"', 3: 'driver = "local"'}


@dataclass(slots=True)
class LocalServer:
    """A server that listens, and a client with the operator's key. It sends what it gets, and validates nothing."""

    settings: Settings
    cloud: RunningCloud
    api: httpx.AsyncClient

    def driver(self, region_id: int) -> LocalDriver:
        """Return the driver of a region that is here."""
        driver = self.cloud.drivers.require(region_id)
        assert isinstance(driver, LocalDriver)
        return driver


@asynccontextmanager
async def run_local_server(folder: Path, url: str, name: str, **values: Any) -> AsyncIterator[LocalServer]:
    """Run a server with a simulated region (1) and two of a driver that keeps machines in its directory (2 and 3)."""
    catalogue = folder / "catalogue.toml"
    catalogue.write_text(catalogue_text(REGIONS))
    shared = {"database": url, "catalogue": str(catalogue), "secrets_key": str(folder / "keys"), "api_key": KEY}
    settings = checked_settings(
        data=folder / name, port=free_port(), lease_seconds=1.0, task_poll_ms=0, **shared, **values
    )
    async with run_listening_cloud(settings) as (cloud, api):
        yield LocalServer(settings, cloud, api)
