"""The capacity for flavors."""

from typing import Annotated

from litestar import get, put
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct

from pileus.api.authorization import ADMINISTER
from pileus.api.client_scope import ClientScope
from pileus.api.context import Ctx
from pileus.api.simulated_regions import require_simulated_region
from pileus.domain.faults import MAX_COUNT
from pileus.services import simulation as simulation_service
from pileus.store.compute import capacities


class SetFlavorCapacity(Struct, kw_only=True):
    """The capacity for a flavor, in instances; null for no limit."""

    servers: Annotated[int, Meta(ge=0, le=MAX_COUNT)] | None


class FlavorCapacityView(Struct, kw_only=True):
    """The capacity for a flavor in a region, in instances of the tenant; `client_id` 0 counts those of all tenants."""

    client_id: int
    region_id: int
    flavor_id: str
    servers: int


@get("/capacities", opt=ADMINISTER)
async def list_capacities(ctx: Ctx, client_scope: ClientScope) -> list[FlavorCapacityView]:
    """List the flavors whose capacity is limited for you."""
    async with ctx.db.read() as tx:
        return [
            FlavorCapacityView(client_id=client_id, region_id=region_id, flavor_id=flavor_id, servers=servers)
            for client_id, region_id, flavor_id, servers in await capacities.list_limits(tx, client_scope)
        ]


@put("/capacities/{region_id:int}/{flavor_id:str}", opt=ADMINISTER, status_code=204)
async def set_capacity(
    ctx: Ctx, client_scope: ClientScope, flavor_id: FromPath[str], data: JSONBody[SetFlavorCapacity]
) -> None:
    """Limit the capacity for a flavor. Creating an instance beyond the limit is answered with 403.

    The limit counts your instances only. An operator who names the tenant 0 limits the instances of all tenants
    together.
    """
    require_simulated_region(ctx, ctx.place.region_id)
    await ctx.write(lambda tx: simulation_service.set_capacity(tx, ctx, client_scope, flavor_id, data.servers))


ROUTES = [list_capacities, set_capacity]
