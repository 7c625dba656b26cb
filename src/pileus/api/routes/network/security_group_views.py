"""Security groups with their rules, made into what the API shows."""

from collections.abc import Sequence

from pileus.api.context import RequestContext
from pileus.api.wire.network.security_groups import LegacySecurityGroupView, SecurityGroupView
from pileus.domain.network.security_groups import SecurityGroup
from pileus.store import tags
from pileus.store.database import Tx
from pileus.store.network import security_groups


async def show_groups(tx: Tx, ctx: RequestContext, found: Sequence[SecurityGroup]) -> list[SecurityGroupView]:
    """Show groups, under their older names too if the server is set so."""
    view = LegacySecurityGroupView if ctx.app.legacy_fields else SecurityGroupView
    ids, region = [group.id for group in found], ctx.region().display_name
    its, rules = await tags.of_each(tx, ids), await security_groups.rules_of_each(tx, ids)
    return [view.of(group, rules[group.id], its[group.id], region) for group in found]


async def show_group(ctx: RequestContext, group_id: str) -> SecurityGroupView:
    """Show one of a place's; raises NotFound."""
    async with ctx.db.read() as tx:
        (view,) = await show_groups(tx, ctx, [await security_groups.get(tx, ctx.place, group_id)])
    return view
