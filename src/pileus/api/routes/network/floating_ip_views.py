"""Build the views of floating IPs."""

from collections.abc import Sequence

from pileus.api.context import RequestContext
from pileus.api.wire.network.floating_ips import FloatingIPView
from pileus.domain.network.floating_ips import FloatingIP
from pileus.store import tags
from pileus.store.database import Tx
from pileus.store.loop_turns import build_in_turns
from pileus.store.network import floating_ips


async def build_floating_ip_views(tx: Tx, ctx: RequestContext, records: Sequence[FloatingIP]) -> list[FloatingIPView]:
    """Return the views of floating IPs."""
    tags_by_id = await tags.list_by_resources(tx, [floating_ip.id for floating_ip in records])
    region = ctx.require_region().display_name
    return await build_in_turns(
        FloatingIPView.of(floating_ip, tags_by_id[floating_ip.id], region) for floating_ip in records
    )


async def read_floating_ip_view(ctx: RequestContext, floating_ip_id: str) -> FloatingIPView:
    """Read a floating IP. Raises NotFound."""
    async with ctx.db.read() as tx:
        (view,) = await build_floating_ip_views(tx, ctx, [await floating_ips.get(tx, ctx.place, floating_ip_id)])
    return view
