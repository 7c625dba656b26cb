"""Roles and their permissions."""

from enum import StrEnum
from functools import cache


class Role(StrEnum):
    """The public API's three roles."""

    ADMINISTRATORS = "Administrators"
    ENGINEERS = "Engineers"
    USERS = "Users"


class Access(StrEnum):
    """The permission that a route requires."""

    OPEN = "open"
    READ = "read"
    WRITE = "write"
    ADMINISTER = "administer"


ALLOWED: dict[Role, frozenset[Access]] = {
    Role.USERS: frozenset({Access.OPEN, Access.READ}),
    Role.ENGINEERS: frozenset({Access.OPEN, Access.READ, Access.WRITE}),
    Role.ADMINISTRATORS: frozenset(Access),
}


@cache
def is_allowed(role: str, access: Access) -> bool:
    """Return whether `role` may use a route that requires `access`."""
    return access in ALLOWED[Role(role)]
