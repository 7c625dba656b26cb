"""The tenant that a request under `/_pileus/` is for: the caller's own, unless an operator names another."""

from typing import Annotated

from litestar.di import NamedDependency
from litestar.params import QueryParameter

from pileus.api.context import Ctx
from pileus.api.paging import LARGEST
from pileus.domain.account.access import ALL_CLIENTS, require_client_in_reach
from pileus.domain.errors import not_found
from pileus.store.account import clients

ClientId = Annotated[
    int | None,
    QueryParameter(
        ge=0,
        le=LARGEST,
        description="The tenant that the request is for; without it your own. Operators may name any tenant, or 0 for"
        " all tenants together.",
    ),
]
ClientScope = NamedDependency[int]
"""The parameter of a handler that takes the tenant's id, or ALL_CLIENTS: `client_scope: ClientScope`."""


async def provide_client_scope(ctx: Ctx, client_id: ClientId = None) -> int:
    """Provide the parameter `client_scope` of handlers. Raises Forbidden or NotFound."""
    scope = require_client_in_reach(ctx.caller, client_id)
    if scope not in (ALL_CLIENTS, ctx.caller.client_id):
        async with ctx.app.tenants_db.read() as tx:
            if not await clients.exists(tx, scope):
                raise not_found("Client", scope)
        await ctx.app.ensure_tenant(scope)
    return scope


def require_one_client(client_scope: int) -> int:
    """Return the tenant of a request that cannot be for all tenants. Raises NotFound."""
    if client_scope == ALL_CLIENTS:
        raise not_found("Client", client_scope)
    return client_scope
