"""Places and callers: the owner and region of a record, and the author of a request."""

from msgspec import Struct


class Place(Struct, frozen=True):
    """A tenant's project in a region. Each record of a tenant has all three ids."""

    client_id: int
    project_id: int
    region_id: int


class Caller(Struct, frozen=True, kw_only=True):
    """The user of a request; `role` is an `access.Role`. `token_id` is the API key, or None after a login.

    `is_suspended` says whether operators have suspended the tenant: then no request gets so far.
    """

    client_id: int
    user_id: int
    email: str
    token_id: int | None
    role: str
    is_suspended: bool = False
