"""How a story about an operation is told."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx

from tests.tenants import Tenant

Path = str
Ask = Callable[[Tenant], Awaitable[httpx.Response]]


@dataclass(frozen=True, slots=True)
class Story:
    """`begin` lets things stand and tells the request; what is `lasting` cannot be undone, only asked for again."""

    begin: Callable[[Tenant], Awaitable[Ask]]
    lasting: bool = False


def asking(method: str, path: Path, body: Any = None) -> Ask:
    """A request of the tenant's."""

    async def ask(tenant: Tenant) -> httpx.Response:
        return await tenant.api.request(method, path, json=body)

    return ask
