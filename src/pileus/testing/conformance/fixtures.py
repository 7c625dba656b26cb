"""The fixtures of the suite: the driver under test in a data directory of its own."""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
import pytest_asyncio

from pileus.drivers.protocols.compute import Compute, SupportsStart
from pileus.store.schema import open_database
from pileus.store.simulated_cloud import SimulatedCloudStore
from pileus.testing.conformance.harnesses import (
    DriverTestHarness,
    MissingRequirement,
    load_test_harness,
    make_driver_config,
    repeat_until_done,
)

MakeDriver = Callable[[], Awaitable[Any]]


@pytest.fixture
def driver_name(pytestconfig: pytest.Config) -> str:
    """The name of the driver to test."""
    name = pytestconfig.getoption("--pileus-driver", None)
    if not name:
        raise pytest.UsageError("The conformance suite needs --pileus-driver NAME")
    return str(name)


@pytest.fixture
def driver_harness(driver_name: str) -> DriverTestHarness:
    """The set-up and clean-up of the driver."""
    return load_test_harness(driver_name)


@pytest.fixture
def data() -> Iterator[Path]:
    """A data directory that every user can reach, as processes of a driver may run as another user."""
    parent = Path(mkdtemp(prefix="pileus-"))
    parent.chmod(0o755)
    (parent / "data").mkdir()
    yield parent / "data"
    shutil.rmtree(parent)


@pytest_asyncio.fixture(loop_scope="session")
async def make_driver(driver_name: str, driver_harness: DriverTestHarness, data: Path) -> AsyncIterator[MakeDriver]:
    """A function that creates and starts the driver, once for each start of the control plane."""
    drivers: list[Any] = []
    db = await open_database("", data, with_secrets=False)

    async def make() -> Any:
        try:
            drivers.append(driver_harness.create(make_driver_config(driver_name, data, SimulatedCloudStore(db))))
        except MissingRequirement as problem:
            pytest.skip(str(problem))
        if isinstance(drivers[-1], SupportsStart):
            await drivers[-1].start()
        repeat_until_done(drivers[-1])
        return drivers[-1]

    yield make
    for driver in drivers:
        await driver_harness.clean_up(driver)
    await db.close()


@pytest_asyncio.fixture(loop_scope="session")
async def driver(make_driver: MakeDriver) -> Compute:
    """The driver."""
    compute: Compute = await make_driver()
    return compute


@pytest.fixture
def system_image_id(driver_harness: DriverTestHarness, data: Path, pytestconfig: pytest.Config) -> str | None:
    """The image from which machines boot a system; None if the driver's machines need none."""
    file = pytestconfig.getoption("--pileus-image", None)
    try:
        return driver_harness.provide_image(data, Path(file).absolute() if file else None)
    except MissingRequirement as problem:
        pytest.skip(str(problem))
