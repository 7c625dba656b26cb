"""Tenants, their users and their API keys, as operators see and create them."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from pileus.api.wire.common import make_view
from pileus.api.wire.constraints import Name
from pileus.api.wire.times import format_with_microseconds, parse_range_start
from pileus.domain.account.api_keys import ApiKey
from pileus.domain.account.clients import Client
from pileus.domain.account.users import LONGEST_EMAIL, LONGEST_PASSWORD, SHORTEST_PASSWORD, User
from pileus.domain.errors import invalid

MAX_GRACE = 30 * 24 * 3600
TenantRole = Literal["Administrators", "Engineers", "Users"]
Password = Annotated[str, Meta(min_length=SHORTEST_PASSWORD, max_length=LONGEST_PASSWORD)]


class CreateTenant(Struct, kw_only=True):
    """A new tenant."""

    name: Name


class UpdateTenant(Struct, kw_only=True):
    """Another name of a tenant."""

    name: Name


class CreateUser(Struct, kw_only=True):
    """A new user of a tenant, who logs in with a password."""

    email: Annotated[str, Meta(max_length=LONGEST_EMAIL)]
    password: Password
    role: TenantRole = "Engineers"


class SetPassword(Struct, kw_only=True):
    """A new password."""

    password: Password


class CreateKey(Struct, kw_only=True):
    """A new API key. `expires_at` is a time such as `2030-01-31T12:00:00Z`; null for never."""

    name: Name
    role: TenantRole = "Engineers"
    expires_at: str | None = None


class RotateKey(Struct, kw_only=True):
    """How to replace the token of a key.

    `grace_seconds` is the time for which the old token is valid, at most 30 days; 0 ends it at once. `expires_at`
    replaces the expiry of the key, unless it is null.
    """

    grace_seconds: Annotated[int, Meta(ge=0, le=MAX_GRACE)] = 0
    expires_at: str | None = None


class TenantView(Struct, kw_only=True):
    """A tenant. Its id is the `client_id` of everything that belongs to it. `suspended_at` is null if it has access."""

    id: int
    name: str
    created_at: str
    suspended_at: str | None

    @classmethod
    def of(cls, client: Client) -> "TenantView":
        """Make the view of a tenant."""
        suspended_at = None if client.suspended_at is None else format_with_microseconds(client.suspended_at)
        return make_view(cls, client, created_at=format_with_microseconds(client.created_at), suspended_at=suspended_at)


class UserView(Struct, kw_only=True):
    """A user of a tenant. One without a password cannot log in; the first user of a tenant owns its keys."""

    id: int
    client_id: int
    email: str
    role: str
    can_log_in: bool
    created_at: str

    @classmethod
    def of(cls, user: User) -> "UserView":
        """Make the view of a user."""
        return make_view(
            cls,
            user,
            can_log_in=user.password_digest is not None,
            created_at=format_with_microseconds(user.created_at),
        )


class KeyView(Struct, kw_only=True):
    """An API key, without its token. After a rotation the old token is valid until `previous_expires_at`."""

    id: int
    client_id: int
    user_id: int
    name: str
    role: str
    created_at: str
    expires_at: str | None
    revoked_at: str | None
    previous_expires_at: str | None

    @classmethod
    def of(cls, key: ApiKey) -> "KeyView":
        """Make the view of a key."""
        return make_view(cls, key, **_key_times(key))


class KeyWithToken(KeyView, kw_only=True):
    """An API key with its token, which cannot be shown again."""

    token: str

    @classmethod
    def with_token(cls, key: ApiKey, token: str) -> "KeyWithToken":
        """Make the view of a key whose token is new."""
        return make_view(cls, key, token=token, **_key_times(key))


def parse_expiry(expires_at: str | None, now: int) -> int | None:
    """Return a time of expiry in microseconds since 1970; None for never. Raises Invalid if it is not in the future."""
    time = parse_range_start("expires_at", expires_at)
    if time is not None and time <= now:
        raise invalid(expires_at="Input should be in the future")
    return time


def _key_times(key: ApiKey) -> dict[str, str | None]:
    names = ("created_at", "expires_at", "revoked_at", "previous_expires_at")
    times = {name: getattr(key, name) for name in names}
    return {name: None if time is None else format_with_microseconds(time) for name, time in times.items()}
