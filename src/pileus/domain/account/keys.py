"""API keys: their shape, how they are kept, and how one is recognised."""

import hashlib
import hmac
import re

from msgspec import Struct

TOKEN = re.compile(r"(?P<id>[0-9]{1,15})[_$](?P<secret>[!-~]{8,500})")


class ApiKey(Struct, frozen=True, kw_only=True):
    """A permanent token as it is kept: only a digest of it."""

    id: int
    client_id: int
    user_id: int
    name: str
    role: str
    digest: str
    created_at: int
    expires_at: int | None = None
    revoked_at: int | None = None

    def is_valid_token(self, token: str, now: int) -> bool:
        """Whether `token` is this key and still good; compares in constant time."""
        same = hmac.compare_digest(self.digest, hash_token(token))
        return same and self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def hash_token(token: str) -> str:
    """What is kept of a token. Its secret is random and long, so a plain hash is enough."""
    return hashlib.sha256(token.encode()).hexdigest()


def parse_key_id(token: str) -> int | None:
    """The number in front of a token, or None if it has not a token's shape."""
    found = TOKEN.fullmatch(token)
    return int(found["id"]) if found else None
