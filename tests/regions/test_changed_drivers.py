"""A catalogue that gives a region another driver than that of its resources."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from pileus.app import RunningCloud, run_cloud
from pileus.region_drivers import ChangedRegionDriver
from pileus.server.startup import StartError, explain_start_errors
from tests.app_settings import checked_settings
from tests.regions.clouds import catalogue_text, create, status_of
from tests.tenants import new_tenant

Start = Callable[..., AbstractAsyncContextManager[RunningCloud]]
MEMORY = 'driver = "memory"'


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Start a server on one data directory, with these drivers of regions."""

    @asynccontextmanager
    async def run(regions: dict[int, str], driver: str = "simulated") -> AsyncIterator[RunningCloud]:
        (tmp_path / "catalogue.toml").write_text(catalogue_text(regions))
        settings = checked_settings(
            data=tmp_path / "data", catalogue=str(tmp_path / "catalogue.toml"), driver=driver, legacy_fields=True
        )
        async with run_cloud(settings) as cloud:
            yield cloud

    return run


@pytest.mark.parametrize(
    ("changed", "driver", "message"),
    [
        (
            'driver = "simulated"',
            "simulated",
            "Region 2 has resources in the driver memory (rack a), and the driver simulated does not have them",
        ),
        (
            f'{MEMORY}\ndriver_options = {{ rack = "b" }}',
            "simulated",
            "Region 2 has resources in the driver memory (rack a), and the driver memory (rack b) does not have them",
        ),
        (MEMORY, "memory", "Region 1 has resources in the driver simulated, and the driver memory (rack a) does not"),
    ],
    ids=["another driver", "another installation", "another default driver"],
)
async def test_a_region_with_resources_keeps_its_driver(start: Start, changed: str, driver: str, message: str) -> None:
    async with start({2: MEMORY}) as cloud, new_tenant(cloud) as owner:
        await create(owner, 1)
        await create(owner, 2)

    with pytest.raises(ChangedRegionDriver) as refused:
        async with start({2: changed}, driver):
            pass

    assert message in str(refused.value)
    assert "give the region its former driver and options again" in str(refused.value)


async def test_the_former_catalogue_works_after_a_refused_start(start: Start) -> None:
    async with start({2: MEMORY}) as cloud, new_tenant(cloud) as owner:
        instance_id = await create(owner, 1)
        await create(owner, 2)

    with pytest.raises(StartError, match="delete its resources first"), explain_start_errors(checked_settings()):
        async with start({2: 'driver = "simulated"'}):
            pass

    async with start({2: MEMORY}) as cloud, cloud.app_state.db.read() as tx:
        assert (await tx.one("SELECT status FROM instances WHERE id = :id", id=instance_id)) == ("ACTIVE",)


async def test_an_empty_region_and_other_options_can_change(start: Start) -> None:
    async with start({2: MEMORY, 3: MEMORY}) as cloud, new_tenant(cloud) as owner:
        instance_id = await create(owner, 3)
        assert await status_of(owner, 3, instance_id) == "ACTIVE"

    options = f"{MEMORY}\ndriver_options = {{ vcpus = 2 }}"
    async with start({2: 'driver = "simulated"', 3: options}) as cloud, new_tenant(cloud) as owner:
        assert await status_of(owner, 2, await create(owner, 2)) == "ACTIVE"
