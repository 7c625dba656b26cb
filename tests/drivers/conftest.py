"""The driver under test, each in its turn."""

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

from pileus.drivers.protocols.compute import Compute
from tests.drivers.conformance import DRIVERS, Kind, Made


@pytest.fixture(params=sorted(DRIVERS))
def kind(request: pytest.FixtureRequest) -> Kind:
    """One of the drivers."""
    return DRIVERS[request.param]


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory that any user can reach, as processes of a driver may be somebody else's."""
    folder = Path(mkdtemp(prefix="pileus-"))
    folder.chmod(0o755)
    (folder / "data").mkdir()
    yield folder / "data"
    shutil.rmtree(folder)


@pytest.fixture
async def made(kind: Kind, home: Path) -> AsyncIterator[Made]:
    """Makes the driver, as often as the control plane is started."""
    opened: list[Any] = []

    def make() -> Any:
        opened.append(kind.create(home))
        return opened[-1]

    yield make
    for driver in opened:
        await kind.ended(driver)
        driver.close()


@pytest.fixture
async def driver(made: Made) -> Compute:
    """The driver."""
    found: Compute = made()
    return found
