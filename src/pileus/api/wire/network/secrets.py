"""Secrets as the API returns them: never with their payload."""

from msgspec import Struct

from pileus.api.wire.times import format_with_colon_offset
from pileus.domain.network.secrets import Secret


class SecretView(Struct, kw_only=True):
    """A secret. `algorithm`, `bit_length` and `mode` are what its creator told."""

    id: str
    name: str
    secret_type: str
    status: str
    content_types: dict[str, str]
    algorithm: str | None
    bit_length: int | None
    mode: str | None
    created: str
    expiration: str | None

    @classmethod
    def of(cls, secret: Secret, now: int) -> "SecretView":
        """Make the view of a secret at a time."""
        return cls(
            id=secret.id,
            name=secret.name,
            secret_type=secret.secret_type,
            status=secret.status_at(now),
            content_types={"default": secret.content_type},
            algorithm=secret.algorithm,
            bit_length=secret.bit_length,
            mode=secret.mode,
            created=format_with_colon_offset(secret.created_at),
            expiration=None if secret.expires_at is None else format_with_colon_offset(secret.expires_at),
        )
