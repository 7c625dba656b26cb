"""Set-up of a driver for the suite. A driver may offer a subclass in the entry point group `pileus.driver_testing`."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from functools import wraps
from importlib import resources
from pathlib import Path
from typing import Any

from pileus.domain.catalogue import parse_catalogue
from pileus.drivers import registry
from pileus.drivers.protocols.config import DownloadLimits, DriverConfig, DriverFactory
from pileus.drivers.protocols.errors import NotYetDone
from pileus.drivers.protocols.records import RecordStore
from pileus.settings import load


class MissingRequirement(Exception):
    """A test cannot run here; the message says what is missing. The test is skipped."""


class DriverTestHarness:
    """The defaults: the driver is created as the server creates it, and needs neither an image nor cleaning up."""

    def __init__(self, factory: DriverFactory) -> None:
        self.factory = factory

    def create(self, config: DriverConfig[Any]) -> Any:
        """Create the driver. Raises Unavailable if it cannot run on this host."""
        return self.factory.create(config)

    def provide_image(self, data: Path, image: Path | None) -> str | None:  # noqa: ARG002  # for subclasses
        """Make the file of `--pileus-image` available in the data directory, and return its id in the catalogue.

        Returns None if machines need no operating system. Raises Unavailable if they do, but there is no file.
        """
        return None

    async def clean_up(self, driver: Any) -> None:
        """Delete all that the driver runs, and close it."""


def repeat_until_done(driver: Any) -> None:
    """Let the calls of a driver that say `NotYetDone` be repeated, as tasks repeat them."""
    for name in dir(driver):
        if name.startswith("ensure_"):
            setattr(driver, name, _repeating(getattr(driver, name)))


def _repeating(method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @wraps(method)
    async def call(*values: Any, **named: Any) -> Any:
        while True:
            try:
                return await method(*values, **named)
            except NotYetDone as pending:
                await asyncio.sleep(pending.seconds)

    return call


def load_test_harness(name: str) -> DriverTestHarness:
    """Return the driver's own class, or else the default. Raises UnknownDriver."""
    factory = registry.load_object(registry.find_driver_location(name))
    location = registry.find_location(registry.TESTING, name)
    kind = registry.load_object(location) if location else DriverTestHarness
    harness: DriverTestHarness = kind(factory)
    return harness


def make_driver_config(name: str, data: Path, record_store: RecordStore | None = None) -> DriverConfig[Any]:
    """Return a configuration with the built-in catalogue; the driver's settings come from the environment."""
    catalogue = parse_catalogue((resources.files("pileus") / "catalogue.toml").read_text("utf-8"))
    settings = load({}, os.environ).driver_settings(name)
    # The suite serves images on this host.
    limits = DownloadLimits(allow_private=True, enabled=True)
    return DriverConfig(data, catalogue, settings, download_limits=limits, record_store=record_store)
