"""Waits for work that OpenStack does in the background, for a while."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from pileus.drivers.openstack.settings import OpenstackSettings
from pileus.drivers.protocols.errors import NotYetDone

LOG = logging.getLogger(__name__)
LOOK_AGAIN_SECONDS = 5.0
T = TypeVar("T")


class Waits:
    """Looks again and again, until a condition holds."""

    def __init__(self, settings: OpenstackSettings) -> None:
        self._interval, self._timeout = settings.poll_interval, settings.slot_timeout

    async def wait_until(self, read: Callable[[], Awaitable[T]], is_reached: Callable[[T], bool], subject: str) -> T:
        """Return the first reading that fulfils the condition. Raises NotYetDone after the time-out."""
        deadline = time.monotonic() + self._timeout
        while True:
            reading = await read()
            if is_reached(reading):
                return reading
            if time.monotonic() > deadline:
                LOG.info("OpenStack is not done after %g seconds: %s", self._timeout, subject)
                raise NotYetDone(LOOK_AGAIN_SECONDS)
            await asyncio.sleep(self._interval)
