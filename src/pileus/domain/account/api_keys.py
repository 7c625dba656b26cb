"""API keys: the format of a token, its digest, and its verification."""

import hashlib
import hmac
import re

from msgspec import Struct

TOKEN = re.compile(r"(?P<id>[0-9]{1,15})[_$](?P<secret>[!-~]{8,500})")


class ApiKey(Struct, frozen=True, kw_only=True):
    """An API key. Only the digest of its token is stored."""

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
        """Return whether `token` is this key's and the key is in force. Compares in constant time."""
        is_same = hmac.compare_digest(self.digest, hash_api_token(token))
        return is_same and self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def hash_api_token(token: str) -> str:
    """Return the digest of a token. The secret is random and long, so a plain hash is enough."""
    return hashlib.sha256(token.encode()).hexdigest()


def parse_key_id(token: str) -> int | None:
    """Return the key id at the start of a token, or None if the text is not a token."""
    match = TOKEN.fullmatch(token)
    return int(match["id"]) if match else None
