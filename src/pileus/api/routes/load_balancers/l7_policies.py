"""Routes of L7 policies."""

from collections.abc import Sequence

from litestar import delete, get, patch, post, put
from litestar.params import FromPath, JSONBody

from pileus.api.authorization import READ, WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.paging import Limit, Offset
from pileus.api.wire.load_balancers.l7_policies import L7PolicyView
from pileus.api.wire.load_balancers.l7_requests import CreateL7Policy, ReplaceL7Policy, UpdateL7Policy
from pileus.api.wire.paging import Page
from pileus.api.wire.tasks import TaskIds
from pileus.domain.load_balancers.l7_orders import L7PolicyPatch
from pileus.domain.load_balancers.l7_policies import L7Policy
from pileus.domain.load_balancers.operating_statuses import part_status
from pileus.services.load_balancers import l7_policies as l7_policy_service
from pileus.store.account import projects
from pileus.store.database import Tx
from pileus.store.load_balancers import l7_policies, l7_rules
from pileus.store.loop_turns import build_in_turns

ALL = "/cloud/v1/l7policies/{project_id:int}/{region_id:int}"
ONE = f"{ALL}/{{l7_policy_id:str}}"
TAGS = ["Load Balancers"]


@get(ALL, opt=READ, tags=TAGS)
async def list_l7_policies(ctx: Ctx, limit: Limit = 1000, offset: Offset = 0) -> Page[L7PolicyView]:
    """List the L7 policies of all listeners; those of one listener are in the order in which they are applied."""
    ctx.require_region()
    async with ctx.db.scan() as tx:
        place = await projects.require_existing(tx, ctx.place)
        count, records = await l7_policies.page(tx, place, limit=limit, offset=offset)
        return Page(count=count, results=await _build_views(tx, ctx, records))


@post(ALL, opt=WRITE, status_code=200, tags=TAGS)
async def create_l7_policy(ctx: Ctx, data: JSONBody[CreateL7Policy]) -> TaskIds:
    """Create an L7 policy of a listener with protocol HTTP or TERMINATED_HTTPS.

    It has exactly the target of its action: `redirect_pool_id`, a pool of the same load balancer; `redirect_url`; or
    `redirect_prefix`. Redirects have a code, 302 by default. At a `position` that is taken, the policy moves those from
    there on; without one, it is the last. The first policy whose rules all match is applied; a policy without rules
    matches nothing.
    """
    return await ctx.submit_task(
        lambda tx, task_id: l7_policy_service.create_l7_policy(tx, ctx, data.to_new_l7_policy(), task_id)
    )


@get(ONE, opt=READ, tags=TAGS)
async def get_l7_policy(ctx: Ctx, l7_policy_id: FromPath[str]) -> L7PolicyView:
    """Get an L7 policy with the ids of its rules."""
    async with ctx.db.read() as tx:
        (view,) = await _build_views(tx, ctx, [await l7_policies.get(tx, ctx.place, l7_policy_id)])
    return view


@patch(ONE, opt=WRITE, status_code=200, tags=TAGS)
async def update_l7_policy(ctx: Ctx, l7_policy_id: FromPath[str], data: JSONBody[UpdateL7Policy]) -> TaskIds:
    """Change an L7 policy, or move it to another `position`. Absent fields stay; another action needs its target."""
    return await _start_update(ctx, l7_policy_id, data.to_l7_policy_patch())


@put(ONE, opt=WRITE, status_code=200, deprecated=True, tags=TAGS)
async def replace_l7_policy(ctx: Ctx, l7_policy_id: FromPath[str], data: JSONBody[ReplaceL7Policy]) -> TaskIds:
    """Replace an L7 policy, as older clients do. Without `position` it keeps its own. Use PATCH instead."""
    return await _start_update(ctx, l7_policy_id, data.to_replacement())


@delete(ONE, opt=WRITE, status_code=200, tags=TAGS)
async def delete_l7_policy(ctx: Ctx, l7_policy_id: FromPath[str]) -> TaskIds:
    """Delete an L7 policy with its rules. The policies behind it move up."""
    return await ctx.submit_task(lambda tx, task_id: l7_policy_service.delete_l7_policy(tx, ctx, l7_policy_id, task_id))


async def _start_update(ctx: RequestContext, policy_id: str, patch: L7PolicyPatch) -> TaskIds:
    return await ctx.submit_task(
        lambda tx, task_id: l7_policy_service.update_l7_policy(tx, ctx, policy_id, patch, task_id)
    )


async def _build_views(tx: Tx, ctx: RequestContext, records: Sequence[L7Policy]) -> list[L7PolicyView]:
    rule_ids = await l7_rules.list_ids_by_policies(tx, [policy.id for policy in records])
    region = ctx.require_region().display_name
    return await build_in_turns(
        L7PolicyView.of(policy, rule_ids[policy.id], part_status(policy), region) for policy in records
    )


ROUTES = [
    list_l7_policies, create_l7_policy, get_l7_policy, update_l7_policy, replace_l7_policy, delete_l7_policy,
]  # fmt: skip
