"""Clients: the tenants of the server."""

from typing import ClassVar

from msgspec import Struct

from pileus.domain.errors import Conflict

FIRST_CLIENT = 1
"""The tenant of the first start, which operators belong to."""


class Client(Struct, frozen=True, kw_only=True):
    """A tenant. Users, keys and projects belong to one. The record of a deleted one is kept."""

    NOUN: ClassVar[str] = "Client"
    id: int
    name: str
    created_at: int
    deleted_at: int | None = None


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
