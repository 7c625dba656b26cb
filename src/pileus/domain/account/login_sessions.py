"""Sessions of users who have logged in: their tokens, and when these are valid."""

import hmac
import re
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from pileus.domain.account.api_keys import hash_api_token

SECOND = 1_000_000
"""Microseconds."""
ACCESS_LIFETIME, REFRESH_LIFETIME = 3600 * SECOND, 24 * 3600 * SECOND
GRACE = 60 * SECOND
"""How long a refresh token stays valid after its use, for a client that did not get the answer."""
MAX_SESSIONS = 100
"""The most sessions of one user. A further login ends the oldest one."""
TOKEN = re.compile(r"(?P<kind>access|refresh)_(?P<session_id>[0-9a-f-]{36})_[0-9a-f]{64}")


class TokenKind(StrEnum):
    """The two tokens of a session."""

    ACCESS = "access"
    REFRESH = "refresh"


class TokenPair(Struct, frozen=True, kw_only=True):
    """The tokens that a login or a refresh returns. They are not stored."""

    access: str
    refresh: str


class LoginSession(Struct, frozen=True, kw_only=True):
    """A login. Each refresh replaces both tokens; the access token before it stays valid until it expires."""

    id: str
    user_id: int
    access_digest: str
    access_expires_at: int
    previous_access_digest: str | None = None
    previous_access_expires_at: int | None = None
    refresh_digest: str
    refresh_expires_at: int
    previous_refresh_digest: str | None = None
    refreshed_at: int
    created_at: int
    revision: int = 0

    def find_access_expiry(self, token: str, now: int) -> int | None:
        """Return when an access token of this session expires, or None if it is not valid now."""
        for digest, expires_at in (
            (self.access_digest, self.access_expires_at),
            (self.previous_access_digest, self.previous_access_expires_at),
        ):
            if expires_at is not None and now < expires_at and _is_digest_of(digest, token):
                return expires_at
        return None

    def may_refresh(self, token: str, now: int) -> bool:
        """Return whether a refresh token of this session is valid now."""
        if _is_digest_of(self.refresh_digest, token):
            return now < self.refresh_expires_at
        return _is_digest_of(self.previous_refresh_digest, token) and now < self.refreshed_at + GRACE

    def refreshed(self, tokens: TokenPair, now: int) -> "LoginSession":
        """Return the session with new tokens."""
        return replace(
            self,
            access_digest=hash_api_token(tokens.access),
            access_expires_at=now + ACCESS_LIFETIME,
            previous_access_digest=self.access_digest,
            previous_access_expires_at=self.access_expires_at,
            refresh_digest=hash_api_token(tokens.refresh),
            refresh_expires_at=now + REFRESH_LIFETIME,
            previous_refresh_digest=self.refresh_digest,
            refreshed_at=now,
        )


def new_login_session(session_id: str, user_id: int, tokens: TokenPair, now: int) -> LoginSession:
    """Create the session of a login."""
    return LoginSession(
        id=session_id,
        user_id=user_id,
        access_digest=hash_api_token(tokens.access),
        access_expires_at=now + ACCESS_LIFETIME,
        refresh_digest=hash_api_token(tokens.refresh),
        refresh_expires_at=now + REFRESH_LIFETIME,
        refreshed_at=now,
        created_at=now,
    )


def make_token(kind: TokenKind, session_id: str, secret: str) -> str:
    """Return the text of a token; `secret` is 64 hexadecimal digits."""
    return f"{kind}_{session_id}_{secret}"


def parse_session_id(kind: TokenKind, token: str) -> str | None:
    """Return the id of the session of a token, or None if the text is not a token of this kind."""
    match = TOKEN.fullmatch(token)
    return match["session_id"] if match and match["kind"] == kind else None


def _is_digest_of(digest: str | None, token: str) -> bool:
    return digest is not None and hmac.compare_digest(digest, hash_api_token(token))
