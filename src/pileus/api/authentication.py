"""Authenticate callers by API key, and cache them for a second to spare the database.

A key that this process revokes stops working at once; a key that another process revokes, within a second.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from pileus.domain.account.api_keys import parse_key_id
from pileus.domain.errors import Unauthenticated
from pileus.domain.places import Caller
from pileus.store.account import api_keys
from pileus.store.database import Database

FRESH = 1.0
"""Seconds that a caller is cached."""
MAX_CACHED = 4096
INVALID = "token_not_valid"


@dataclass(slots=True)
class CachedCaller:
    """The caller of a valid header. `revocations` is the count of revocations when it was cached."""

    caller: Caller
    until: float
    expires_at: int | None
    revocations: int


class Authenticator:
    """Authenticates callers. Only valid headers are cached, so that guesses cannot fill the cache."""

    def __init__(self, db: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._db = db
        self._clock = clock
        self._cache: dict[bytes, CachedCaller] = {}

    async def authenticate(self, authorization_header: bytes, now: int) -> Caller:
        """Return the caller of an Authorization header. Raises Unauthenticated."""
        cached, clock = self._cache.get(authorization_header), self._clock()
        if cached is None or clock >= cached.until or cached.revocations != api_keys.REVOCATIONS.times:
            cached = await self._read_caller(authorization_header, now, clock)
        elif cached.expires_at is not None and now >= cached.expires_at:
            raise Unauthenticated("Token is invalid or expired", INVALID)
        return cached.caller

    async def _read_caller(self, header: bytes, now: int, clock: float) -> CachedCaller:
        self._cache.pop(header, None)
        number, token = _parse_header(header.decode("latin-1"))
        revocations = api_keys.REVOCATIONS.times
        async with self._db.read() as tx:
            row = await api_keys.find_with_caller(tx, number)
        if row is None or not row[0].is_valid_token(token, now):
            raise Unauthenticated("Token is invalid or expired", INVALID)
        key, caller = row
        if len(self._cache) >= MAX_CACHED:
            self._cache.clear()
        cached = self._cache[header] = CachedCaller(caller, clock + FRESH, key.expires_at, revocations)
        return cached


def _parse_header(header: str) -> tuple[int, str]:
    """Return the number of the key and the whole token. Raises Unauthenticated."""
    if not header:
        raise Unauthenticated("Authentication credentials were not provided.")
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "apikey":
        raise Unauthenticated("Given token not valid for any token type", INVALID)
    token = token.strip()
    number = parse_key_id(token)
    if number is None:
        raise Unauthenticated(f"Bad token: {token.partition('_')[0].partition('$')[0][:20]}", INVALID)
    return number, token
