"""Clients: the tenants of the server."""

from typing import ClassVar

from msgspec import Struct
from msgspec.structs import replace

from pileus.domain.errors import Conflict, Forbidden

FIRST_CLIENT = 1
"""The tenant of the first start, which operators belong to."""


class Client(Struct, frozen=True, kw_only=True):
    """A tenant. Users, keys and projects belong to one. The record of a deleted one is kept.

    The keys and logins of a suspended one are refused; its resources stay as they are.
    """

    NOUN: ClassVar[str] = "Client"
    id: int
    name: str
    created_at: int
    deleted_at: int | None = None
    suspended_at: int | None = None

    def suspended(self, now: int) -> "Client":
        """Return the tenant, suspended since the first time."""
        return self if self.suspended_at is not None else replace(self, suspended_at=now)

    def resumed(self) -> "Client":
        """Return the tenant with access."""
        return replace(self, suspended_at=None)


def check_deletable(client: Client, *, operators_client_id: int, project_count: int, unfinished_tasks: int) -> None:
    """Raise Conflict if an operator of a tenant may not delete a tenant: its own one, or one that is in use.

    The default project does not count as use: it goes with the tenant.
    """
    if client.id == operators_client_id:
        raise Conflict(f"Tenant {client.id} is your own: another operator's key can delete it")
    if client.id == FIRST_CLIENT:
        raise Conflict(f"Tenant {client.id} is that of the operators and cannot be deleted")
    if project_count > 1:
        raise Conflict(f"Tenant {client.id} has projects besides the default one: delete them first")
    if unfinished_tasks:
        raise Conflict(f"Tenant {client.id} has unfinished tasks: try again when they have ended")


def check_suspendable(client: Client, *, operators_client_id: int) -> None:
    """Raise Conflict if an operator of a tenant may not suspend a tenant: operators would lose access."""
    if client.id == operators_client_id:
        raise Conflict(f"Tenant {client.id} is your own: another operator's key can suspend it")
    if client.id == FIRST_CLIENT:
        raise Conflict(f"Tenant {client.id} is that of the operators and cannot be suspended")


def check_not_suspended(client_id: int, *, is_suspended: bool) -> None:
    """Raise Forbidden for a caller of a tenant that is suspended."""
    if is_suspended:
        raise Forbidden(f"Tenant {client_id} is suspended: those who operate this cloud can resume it")
