"""Build the views of pools, members and health monitors from the records and what belongs to them."""

from collections.abc import Sequence

from pileus.api.context import RequestContext
from pileus.api.routes.load_balancers.observations import Observations, read_observed
from pileus.api.routes.load_balancers.operating_statuses import PoolContents, read_pool_contents
from pileus.api.wire.load_balancers.pools import ListedPoolView, MemberView, PoolView
from pileus.domain.load_balancers.health_monitors import HealthMonitor
from pileus.domain.load_balancers.member_changes import require_member
from pileus.domain.load_balancers.pools import Pool
from pileus.store.database import Tx
from pileus.store.load_balancers import health_monitors, members, pools
from pileus.store.loop_turns import build_in_turns


async def build_listed_pool_views(
    tx: Tx, ctx: RequestContext, observations: Observations, records: Sequence[Pool], *, details: bool
) -> list[ListedPoolView]:
    """Return the views of pools in a list."""
    contents = await read_pool_contents(tx, ctx, observations, records)
    return await build_in_turns(_listed_pool_view(content, details=details) for content in contents)


async def read_pool_view(ctx: RequestContext, pool_id: str) -> PoolView:
    """Read a pool. Raises NotFound."""
    return _pool_view(await _read_contents(ctx, pool_id))


async def read_member_view(ctx: RequestContext, pool_id: str, member_id: str) -> MemberView:
    """Read a member of a pool. Raises NotFound."""
    contents = await _read_contents(ctx, pool_id)
    member = require_member(contents.members, member_id)
    return MemberView.of(member, contents.statuses[member_id])


async def read_member_views(
    ctx: RequestContext, pool_id: str, order_by: str, *, limit: int, offset: int
) -> tuple[int, list[MemberView]]:
    """Read a page of the members of a pool, and their number. Raises NotFound."""

    async def read(tx: Tx, observations: Observations) -> tuple[int, list[MemberView]]:
        contents = await _find_contents(tx, ctx, observations, pool_id)
        count, records = await members.page(tx, pool_id, order_by, limit=limit, offset=offset)
        return count, [MemberView.of(member, contents.statuses[member.id]) for member in records]

    return await read_observed(ctx, ctx.db.read, read)


async def read_health_monitor(ctx: RequestContext, pool_id: str) -> HealthMonitor:
    """Read the health monitor of a pool. Raises NotFound."""
    async with ctx.db.read() as tx:
        await pools.get(tx, ctx.place, pool_id)
        return await health_monitors.require_by_pool(tx, pool_id)


async def _read_contents(ctx: RequestContext, pool_id: str) -> PoolContents:
    return await read_observed(
        ctx, ctx.db.read, lambda tx, observations: _find_contents(tx, ctx, observations, pool_id)
    )


async def _find_contents(tx: Tx, ctx: RequestContext, observations: Observations, pool_id: str) -> PoolContents:
    (contents,) = await read_pool_contents(tx, ctx, observations, [await pools.get(tx, ctx.place, pool_id)])
    return contents


def _pool_view(contents: PoolContents) -> PoolView:
    return PoolView.of(
        contents.pool, contents.listener_ids, contents.members, contents.monitor, statuses=contents.statuses
    )


def _listed_pool_view(contents: PoolContents, *, details: bool) -> ListedPoolView:
    if details:
        return ListedPoolView.of_details(_pool_view(contents))
    member_ids = [member.id for member in contents.members]
    return ListedPoolView.of_ids(contents.pool, contents.listener_ids, member_ids, contents.statuses)
