"""API keys: the format of a token, its digest, and its verification."""

import hashlib
import hmac
import re

from msgspec import Struct
from msgspec.structs import replace

from pileus.domain.errors import Conflict

CACHE_SECONDS = 1.0
"""The time for which a server process remembers a valid key or login. A revocation takes effect within it."""
TOKEN = re.compile(r"(?P<id>[0-9]{1,15})[_$](?P<secret>[!-~]{8,500})")


class ApiKey(Struct, frozen=True, kw_only=True):
    """An API key. Only the digest of its token is stored.

    After a rotation the previous token is valid too, until `previous_expires_at`.
    """

    id: int
    client_id: int
    user_id: int
    name: str
    role: str
    digest: str
    created_at: int
    expires_at: int | None = None
    revoked_at: int | None = None
    previous_digest: str | None = None
    previous_expires_at: int | None = None

    def is_valid_token(self, token: str, now: int) -> bool:
        """Return whether `token` is this key's and is in force. Compares in constant time."""
        digest = hash_api_token(token)
        is_current, is_previous = _is_same(self.digest, digest), _is_same(self.previous_digest or "", digest)
        expires_at = self.token_expiry(token)
        return (is_current or is_previous) and self.revoked_at is None and (expires_at is None or now < expires_at)

    def token_expiry(self, token: str) -> int | None:
        """Return when a token of this key expires; None for never. The previous token may expire before the key."""
        if not _is_same(self.previous_digest or "", hash_api_token(token)):
            return self.expires_at
        ends = (self.expires_at, self.previous_expires_at)
        return min(end for end in ends if end is not None)

    def check_in_force(self, now: int) -> None:
        """Raise Conflict if the key is revoked or has expired."""
        if self.revoked_at is not None:
            raise Conflict(f"API key {self.id} is revoked")
        if self.expires_at is not None and self.expires_at <= now:
            raise Conflict(f"API key {self.id} has expired")

    def rotated(self, token: str, now: int, *, grace: int, expires_at: int | None) -> "ApiKey":
        """Return the key with a new token, and another expiry unless it is None.

        The present token is valid for `grace` microseconds more, but not longer than before.
        """
        return replace(
            self,
            digest=hash_api_token(token),
            previous_digest=self.digest if grace else None,
            previous_expires_at=min(now + grace, self.expires_at or now + grace) if grace else None,
            expires_at=expires_at or self.expires_at,
        )


def _is_same(stored: str, digest: str) -> bool:
    return hmac.compare_digest(stored, digest)


def hash_api_token(token: str) -> str:
    """Return the digest of a token. The secret is random and long, so a plain hash is enough."""
    return hashlib.sha256(token.encode()).hexdigest()


def parse_key_id(token: str) -> int | None:
    """Return the key id at the start of a token, or None if the text is not a token."""
    match = TOKEN.fullmatch(token)
    return int(match["id"]) if match else None
