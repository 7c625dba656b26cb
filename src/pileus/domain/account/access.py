"""Roles and their permissions, and the tenants that a caller may act for."""

from enum import StrEnum
from functools import cache

from pileus.domain.errors import Forbidden
from pileus.domain.places import Caller

ALL_CLIENTS = 0
"""Stands for all tenants where an operator names one; no tenant has this id."""


class Role(StrEnum):
    """The public API's three roles, and the role of those who run the server."""

    OPERATORS = "Operators"
    ADMINISTRATORS = "Administrators"
    ENGINEERS = "Engineers"
    USERS = "Users"


class Access(StrEnum):
    """The permission that a route requires.

    CONTROL is that of an operator, and only on a server whose simulated cloud may be controlled.
    """

    OPEN = "open"
    READ = "read"
    WRITE = "write"
    ADMINISTER = "administer"
    OPERATE = "operate"
    CONTROL = "control"


ALLOWED: dict[Role, frozenset[Access]] = {
    Role.USERS: frozenset({Access.OPEN, Access.READ}),
    Role.ENGINEERS: frozenset({Access.OPEN, Access.READ, Access.WRITE}),
    Role.ADMINISTRATORS: frozenset(Access) - {Access.OPERATE, Access.CONTROL},
    Role.OPERATORS: frozenset(Access),
}


@cache
def is_allowed(role: str, access: Access) -> bool:
    """Return whether `role` may use a route that requires `access`."""
    return access in ALLOWED[Role(role)]


def require_client_in_reach(caller: Caller, client_id: int | None) -> int:
    """Return the tenant that a request is for: `client_id`, or the caller's own if it is None.

    Raises Forbidden if it is another tenant or ALL_CLIENTS, and the caller is not an operator.
    """
    if client_id is None or client_id == caller.client_id:
        return caller.client_id
    if not is_allowed(caller.role, Access.OPERATE):
        raise Forbidden(f"The role {caller.role} does not allow to act for other clients")
    return client_id
