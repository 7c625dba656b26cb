"""DDoS alarms on addresses."""

from typing import Annotated

from litestar import delete, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct

from pileus.api.authorization import ADMINISTER
from pileus.api.client_scope import ClientScope
from pileus.api.context import Ctx
from pileus.api.paging import Id
from pileus.api.simulated_regions import require_simulated_region
from pileus.domain.network.ddos_profiles import BlackholePort
from pileus.services import simulation as simulation_service


class AddBlackhole(Struct, kw_only=True):
    """A DDoS alarm on an address."""

    region_id: Id
    destination_ip: str
    alarm_state: Annotated[str, Meta(min_length=1, max_length=100)] = "ALARM"


@post("/blackholes", opt=ADMINISTER, status_code=200)
async def add_blackhole(ctx: Ctx, client_scope: ClientScope, data: JSONBody[AddBlackhole]) -> BlackholePort:
    """Raise a DDoS alarm on an address. Your instances with that address return the blackholed port."""
    require_simulated_region(ctx, data.region_id)
    return await ctx.write(
        lambda tx: simulation_service.add_blackhole(
            tx, ctx, client_scope, data.region_id, data.destination_ip, data.alarm_state
        )
    )


@delete("/blackholes/{blackhole_id:int}", opt=ADMINISTER)
async def end_blackhole(ctx: Ctx, client_scope: ClientScope, blackhole_id: FromPath[int]) -> None:
    """End a DDoS alarm. It is still returned, with the time of its end."""
    await ctx.write(lambda tx: simulation_service.end_blackhole(tx, ctx, client_scope, blackhole_id))


ROUTES = [add_blackhole, end_blackhole]
