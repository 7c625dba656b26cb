"""The fixtures of the conformance suite, for each built-in driver."""

import shutil
from pathlib import Path

import pytest

from pileus.testing.conformance.fixtures import data, driver, make_driver
from pileus.testing.conformance.harnesses import DriverTestHarness, load_test_harness
from tests.drivers.qemu.drivers import guest_image

__all__ = ["data", "driver", "make_driver"]


@pytest.fixture(params=["qemu", "simulated"])
def driver_name(request: pytest.FixtureRequest) -> str:
    """The name of a built-in driver."""
    return str(request.param)


@pytest.fixture
def driver_harness(driver_name: str) -> DriverTestHarness:
    """The set-up and clean-up of the driver."""
    return load_test_harness(driver_name)


@pytest.fixture
def system_image_id(driver_name: str, driver_harness: DriverTestHarness, data: Path) -> str | None:
    """The tiny guest, where machines are real."""
    is_real = driver_name == "qemu" and shutil.which("qemu-system-x86_64")
    return driver_harness.provide_image(data, guest_image()) if is_real else None
