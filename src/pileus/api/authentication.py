"""Who asks: the caller behind an Authorization header, remembered for a moment to spare the database.

A key that this process takes away is shut at once; one that another process takes away, within a second.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from pileus.domain.account.keys import key_id
from pileus.domain.errors import Unauthenticated
from pileus.domain.places import Caller
from pileus.store.account import keys
from pileus.store.database import Database

FRESH = 1.0
"""Seconds that a key is believed for."""
MOST = 4096
INVALID = "token_not_valid"


@dataclass(slots=True)
class CachedCaller:
    """A header that was good a moment ago."""

    caller: Caller
    until: float
    expires_at: int | None
    shut: int


class Authenticator:
    """The keys at hand. Only good ones are kept, so guessing them fills nothing."""

    def __init__(self, db: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._db = db
        self._clock = clock
        self._seen: dict[bytes, CachedCaller] = {}

    async def caller(self, header: bytes, now: int) -> Caller:
        """The caller that an Authorization header names; raises Unauthenticated in the public API's words."""
        seen, clock = self._seen.get(header), self._clock()
        if seen is None or clock >= seen.until or seen.shut != keys.SHUT.times:
            seen = await self._look(header, now, clock)
        elif seen.expires_at is not None and now >= seen.expires_at:
            raise Unauthenticated("Token is invalid or expired", INVALID)
        return seen.caller

    async def _look(self, header: bytes, now: int, clock: float) -> CachedCaller:
        self._seen.pop(header, None)
        number, token = _token(header.decode("latin-1"))
        shut = keys.SHUT.times
        async with self._db.read() as tx:
            held = await keys.find_with_caller(tx, number)
        if held is None or not held[0].opens(token, now):
            raise Unauthenticated("Token is invalid or expired", INVALID)
        if len(self._seen) >= MOST:
            self._seen.clear()
        seen = self._seen[header] = CachedCaller(held[1], clock + FRESH, held[0].expires_at, shut)
        return seen


def _token(header: str) -> tuple[int, str]:
    """The key's number and the whole token; raises Unauthenticated."""
    if not header:
        raise Unauthenticated("Authentication credentials were not provided.")
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "apikey":
        raise Unauthenticated("Given token not valid for any token type", INVALID)
    token = token.strip()
    number = key_id(token)
    if number is None:
        raise Unauthenticated(f"Bad token: {token.partition('_')[0].partition('$')[0][:20]}", INVALID)
    return number, token
