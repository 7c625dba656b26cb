"""The driver under test, each in its turn."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pileus.drivers.driver import Compute
from tests.drivers.conformance import DRIVERS, Made


@pytest.fixture(params=sorted(DRIVERS))
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Made]:
    """Makes the driver, as often as the control plane is started."""
    opened: list[Any] = []

    def make() -> Any:
        opened.append(DRIVERS[request.param](tmp_path))
        return opened[-1]

    yield make
    for driver in opened:
        driver.close()


@pytest.fixture
def driver(made: Made) -> Compute:
    """The driver."""
    found: Compute = made()
    return found
