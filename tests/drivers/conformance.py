"""Which drivers are held to what every driver does, and the words that the tests share."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from pileus.drivers.driver import Compute, Fetching
from pileus.drivers.simulated.driver import Simulated

Made = Callable[[], Any]
ANYWHERE = Fetching(anywhere=True)
DRIVERS: dict[str, Callable[[Path], Any]] = {
    "simulated": lambda folder: Simulated(folder / "simulated.db", fetching=ANYWHERE),
}


def able(driver: Compute, ability: Any) -> Any:
    """The driver as one that has an ability; skips the test where it has it not."""
    if not isinstance(driver, ability):
        pytest.skip(f"has not the ability {ability.__name__}")
    return driver


async def twice(verb: Callable[..., Awaitable[None]], *values: Any, **named: Any) -> None:
    await verb(*values, **named)
    await verb(*values, **named)
