"""A cloud with a simulated region and others, and a tenant in it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from pileus.app import RunningCloud, run_cloud
from pileus.drivers import registry
from tests.app_settings import checked_settings
from tests.regions.clouds import MEMORY, catalogue_text
from tests.tenants import Tenant, new_tenant


@pytest.fixture(autouse=True, scope="module")
def installed_driver() -> Iterator[None]:
    """Offer the driver as an installed package would."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry.BUILT_IN[registry.DRIVERS], "memory", "tests.drivers.memory:MemoryDriver")
        patch.setitem(registry.BUILT_IN[registry.SETTINGS], "memory", "tests.drivers.memory:MemorySettings")
        yield


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[RunningCloud]:
    """A cloud with a simulated region (1) and three of the other driver, two of which share one."""
    (tmp_path / "catalogue.toml").write_text(catalogue_text(MEMORY))
    settings = checked_settings(data=tmp_path / "data", catalogue=str(tmp_path / "catalogue.toml"), legacy_fields=True)
    async with run_cloud(settings) as running:
        yield running


@pytest.fixture
async def owner(cloud: RunningCloud) -> AsyncIterator[Tenant]:
    """A tenant of that cloud."""
    async with new_tenant(cloud) as tenant:
        yield tenant
