"""Outages of members of load balancers."""

from litestar import put
from litestar.params import FromPath, JSONBody
from msgspec import Struct

from pileus.api.authorization import ADMINISTER
from pileus.api.client_scope import ClientScope
from pileus.api.context import Ctx
from pileus.services import simulation as simulation_service


class SetMemberReachability(Struct, kw_only=True):
    """Whether a member answers."""

    reachable: bool


@put("/members/{member_id:str}", opt=ADMINISTER, status_code=204)
async def set_member_reachability(
    ctx: Ctx, client_scope: ClientScope, member_id: FromPath[str], data: JSONBody[SetMemberReachability]
) -> None:
    """Let a member of a pool not answer, or answer again. The health monitor of the pool notices it by its retries.

    While a task works on the member, the answer is 409.
    """
    await ctx.write(
        lambda tx: simulation_service.set_member_reachability(
            tx, ctx, client_scope, member_id, reachable=data.reachable
        )
    )


ROUTES = [set_member_reachability]
