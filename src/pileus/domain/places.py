"""Where a thing is and whose."""

from msgspec import Struct


class Place(Struct, frozen=True):
    """A tenant's project in a region: every record of a tenant carries all three."""

    client_id: int
    project_id: int
    region_id: int


class Caller(Struct, frozen=True, kw_only=True):
    """Who makes a request, and by which key; `role` is one of `access.Role`."""

    client_id: int
    user_id: int
    email: str
    token_id: int
    role: str
