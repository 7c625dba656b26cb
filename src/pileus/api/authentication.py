"""Authenticate callers by API key or by the access token of a login, and cache them to spare the database.

A key or login that this process ends stops working at once; one that another process ends, within CACHE_SECONDS. Who
ends one waits for that time before it answers, so that an answered revocation holds in every process.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pileus.domain.account.api_keys import CACHE_SECONDS, parse_key_id
from pileus.domain.account.clients import check_not_suspended
from pileus.domain.account.login_sessions import TokenKind, parse_session_id
from pileus.domain.errors import Forbidden, Unauthenticated
from pileus.domain.places import Caller
from pileus.store.account import api_keys, login_sessions
from pileus.store.database import Database, Tx

MAX_CACHED = 4096
INVALID = "token_not_valid"
SHOWN = 5
"""Number of characters at each end of a rejected key that its error shows."""
MIN_SHOWN_LENGTH = 40
"""Shorter keys are not shown at all: what remains hidden must be too long to guess."""


@dataclass(slots=True)
class CachedCaller:
    """The caller of a valid header. `revocations` is the count of revocations when it was cached."""

    caller: Caller
    until: float
    expires_at: int | None
    revocations: int

    def is_usable(self, now: int, clock: float) -> bool:
        """Return whether the header needs no look into the database."""
        is_current = clock < self.until and self.revocations == api_keys.REVOCATIONS.times
        return is_current and (self.expires_at is None or now < self.expires_at)


async def wait_until_caches_expire() -> None:
    """Wait until no process accepts a key or login that was ended before the call.

    Every process reads the database again after CACHE_SECONDS, counted from before its read.
    """
    await asyncio.sleep(CACHE_SECONDS)


class Authenticator:
    """Authenticates callers. Only valid headers are cached, so that guesses cannot fill the cache.

    `ensure_tenant` copies what another database has of the tenant, whenever the caller is read.
    """

    def __init__(
        self,
        db: Database,
        clock: Callable[[], float] = time.monotonic,
        ensure_tenant: Callable[[int], Awaitable[None]] | None = None,
    ) -> None:
        self._db = db
        self._clock = clock
        self._ensure_tenant = ensure_tenant
        self._cache: dict[bytes, CachedCaller] = {}

    def find_cached(self, authorization_header: bytes, now: int) -> Caller | None:
        """Return the caller of an Authorization header, if the database need not be asked."""
        cached = self._cache.get(authorization_header)
        return cached.caller if cached is not None and cached.is_usable(now, self._clock()) else None

    async def authenticate(self, authorization_header: bytes, now: int) -> Caller:
        """Return the caller of an Authorization header. Raises Unauthenticated, Forbidden or Unavailable.

        Forbidden says that the tenant is suspended.
        """
        caller = self.find_cached(authorization_header, now)
        return caller or (await self._read_caller(authorization_header, now, self._clock())).caller

    async def find_caller(self, authorization_header: bytes, now: int) -> Caller | None:
        """Return the caller of an Authorization header, or None if `authenticate` refuses it. Raises Unavailable."""
        try:
            return await self.authenticate(authorization_header, now)
        except (Unauthenticated, Forbidden):
            return None

    async def _read_caller(self, header: bytes, now: int, clock: float) -> CachedCaller:
        self._cache.pop(header, None)
        scheme, token = _parse_header(header.decode("latin-1"))
        revocations = api_keys.REVOCATIONS.times
        async with self._db.read() as tx:
            caller, expires_at = await _FIND_CALLER[scheme](tx, token, now)
        if self._ensure_tenant:
            await self._ensure_tenant(caller.client_id)
        check_not_suspended(caller.client_id, is_suspended=caller.is_suspended)
        if len(self._cache) >= MAX_CACHED:
            self._cache.clear()
        cached = self._cache[header] = CachedCaller(caller, clock + CACHE_SECONDS, expires_at, revocations)
        return cached


def _parse_header(header: str) -> tuple[str, str]:
    """Return the scheme in lower case, and the token. Raises Unauthenticated."""
    if not header:
        raise Unauthenticated("Authentication credentials were not provided.")
    scheme, _, token = header.partition(" ")
    if scheme.lower() not in _FIND_CALLER:
        raise _wrong_type()
    return scheme.lower(), token.strip()


async def _find_caller_of_key(tx: Tx, token: str, now: int) -> tuple[Caller, int | None]:
    """Return the caller of an API key, and when it expires. Raises Unauthenticated."""
    key_id = parse_key_id(token)
    if key_id is None:
        raise _invalid_key(token)
    row = await api_keys.find_with_caller(tx, key_id)
    if row is None or not row[0].is_valid_token(token, now):
        raise _invalid_key(token)
    return row[1], row[0].token_expiry(token)


async def _find_caller_of_login(tx: Tx, token: str, now: int) -> tuple[Caller, int | None]:
    """Return the caller of an access token, and when it expires. Raises Unauthenticated."""
    session_id = parse_session_id(TokenKind.ACCESS, token)
    if session_id is None:
        raise _wrong_type()
    row = await login_sessions.find_with_caller(tx, session_id)
    expires_at = None if row is None else row[0].find_access_expiry(token, now)
    if row is None or expires_at is None:
        raise _unknown_token()
    return row[1], expires_at


def _invalid_key(token: str) -> Unauthenticated:
    """Return the error for a key that is unknown, malformed, revoked or expired."""
    first, last = (token[:SHOWN], token[-SHOWN:]) if len(token) >= MIN_SHOWN_LENGTH else ("", "")
    return Unauthenticated(f"Invalid <APIKey> authentication token: {first}*****{last}", "UnauthorizedError")


def _wrong_type() -> Unauthenticated:
    return Unauthenticated("Given token not valid for any token type", INVALID)


def _unknown_token() -> Unauthenticated:
    return Unauthenticated("Token is invalid or expired", INVALID)


_FIND_CALLER: dict[str, Callable[[Tx, str, int], Awaitable[tuple[Caller, int | None]]]] = {
    "apikey": _find_caller_of_key,
    "bearer": _find_caller_of_login,
}
