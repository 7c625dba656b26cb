"""API keys that were asked for a moment ago, so that not every request reads the database for its key.

A key that this process revokes is shut at once; one that another process revokes, within a second.
"""

import time
from collections.abc import Callable

from pileus.domain.keys import ApiKey
from pileus.domain.places import Caller
from pileus.store import keys
from pileus.store.database import Database

FRESH = 1.0
"""Seconds that a key is believed for."""

Held = tuple[ApiKey, Caller]


class Keyring:
    """The keys at hand. Numbers that are no key are not kept, so guessing them fills nothing."""

    def __init__(self, db: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._db = db
        self._clock = clock
        self._at_hand: dict[int, tuple[Held, float, int]] = {}

    async def holder(self, number: int) -> Held | None:
        """A key and the caller that it makes, or None."""
        now = self._clock()
        held, until, shut = self._at_hand.get(number) or (None, 0.0, 0)
        if held is not None and now < until and shut == keys.SHUT.times:
            return held
        return await self._look(number, now)

    async def _look(self, number: int, now: float) -> Held | None:
        shut = keys.SHUT.times
        async with self._db.read() as tx:
            held = await keys.holder(tx, number)
        if held is None:
            self._at_hand.pop(number, None)
        else:
            self._at_hand[number] = held, now + FRESH, shut
        return held
