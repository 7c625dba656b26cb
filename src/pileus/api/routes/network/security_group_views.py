"""Build the views of security groups."""

from collections.abc import Sequence

from pileus.api.context import RequestContext
from pileus.api.wire.network.security_groups import SecurityGroupView
from pileus.domain.network.security_groups import SecurityGroup
from pileus.store import tags
from pileus.store.database import Tx
from pileus.store.loop_turns import build_in_turns
from pileus.store.network import security_groups


async def build_security_group_views(
    tx: Tx, ctx: RequestContext, records: Sequence[SecurityGroup]
) -> list[SecurityGroupView]:
    """Return the views of groups with their rules."""
    ids, region = [group.id for group in records], ctx.require_region().display_name
    tags_by_id, rules_by_id = await tags.list_by_resources(tx, ids), await security_groups.list_rules_by_group(tx, ids)
    return await build_in_turns(
        SecurityGroupView.of(group, rules_by_id[group.id], tags_by_id[group.id], region) for group in records
    )


async def read_security_group_view(ctx: RequestContext, group_id: str) -> SecurityGroupView:
    """Read a group. Raises NotFound."""
    async with ctx.db.read() as tx:
        (view,) = await build_security_group_views(tx, ctx, [await security_groups.get(tx, ctx.place, group_id)])
    return view
