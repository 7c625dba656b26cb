"""A scenario sets up what an operation needs, and then starts it by a request."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx

from tests.tenants import Tenant

Path = str
SendRequest = Callable[[Tenant], Awaitable[httpx.Response]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """`prepare` creates records and returns the request; an `irreversible` operation is repeated, not undone."""

    prepare: Callable[[Tenant], Awaitable[SendRequest]]
    irreversible: bool = False


def request(method: str, path: Path, body: Any = None) -> SendRequest:
    """Return a function that sends a request of the tenant."""

    async def send(tenant: Tenant) -> httpx.Response:
        return await tenant.api.request(method, path, json=body)

    return send
