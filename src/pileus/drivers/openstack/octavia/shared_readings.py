"""Readings that requests share which come at once, or shortly after each other."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

T = TypeVar("T")
MOST_KEPT = 1000


class SharedReadings(Generic[T]):
    """Reads what belongs to a key, at most once within some seconds. Failures are not kept."""

    def __init__(self, read: Callable[[str], Awaitable[T]], seconds: float) -> None:
        self._read, self._seconds = read, seconds
        self._kept: dict[str, tuple[float, T]] = {}
        """When each reading is outdated, the oldest first."""
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def get(self, key: str) -> T:
        """Return a reading. Whoever is cancelled while he reads leaves the others to read themselves."""
        lock = self._locks.setdefault(key, asyncio.Lock())
        async with lock:
            outdated_at, reading = self._kept.get(key, (0.0, None))
            if reading is None or time.monotonic() >= outdated_at:
                reading = await self._read(key)
                self._keep(key, reading)
            return reading

    def forget(self, key: str) -> None:
        """Read anew next time."""
        self._kept.pop(key, None)

    def _keep(self, key: str, reading: T) -> None:
        self.forget(key)
        if len(self._kept) >= MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = (time.monotonic() + self._seconds, reading)
