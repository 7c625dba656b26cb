"""Clients: the tenants of the server."""

from msgspec import Struct


class Client(Struct, frozen=True, kw_only=True):
    """A tenant. Users, keys and projects belong to one."""

    id: int
    name: str
    created_at: int
