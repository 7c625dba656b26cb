"""Floating IPs with what they lead to, made into what the API shows."""

from collections.abc import Sequence

from msgspec.structs import asdict

from pileus.api.context import RequestContext
from pileus.api.routes.compute.instance_views import instance_view
from pileus.api.wire.compute.instances import ViewOptions
from pileus.api.wire.network.floating_ips import (
    FloatingIPView,
    LegacyFloatingIPView,
    LegacyListedFloatingIP,
    ListedFloatingIP,
)
from pileus.domain.network.floating_ips import FloatingIP
from pileus.store import tags
from pileus.store.compute import instances
from pileus.store.database import Tx

WITHOUT_SUBNETS = ViewOptions(subnets=False, ddos_profile=False)


async def show_each(tx: Tx, ctx: RequestContext, found: Sequence[FloatingIP]) -> list[FloatingIPView]:
    """Show floating IPs."""
    its, region = await tags.of_each(tx, [each.id for each in found]), ctx.region().display_name
    view = LegacyFloatingIPView if ctx.app.legacy_fields else FloatingIPView
    return [view.of(each, its[each.id], region) for each in found]


async def show_floating_ip(tx: Tx, ctx: RequestContext, floating_ip: FloatingIP) -> FloatingIPView:
    """Show one of them."""
    (view,) = await show_each(tx, ctx, [floating_ip])
    return view


async def show_listed(tx: Tx, ctx: RequestContext, found: Sequence[FloatingIP]) -> list[ListedFloatingIP]:
    """Show floating IPs as the list does: with the instances that they lead to."""
    port_ids = [each.port_id for each in found if each.port_id]
    behind = await instances.of_ports(tx, port_ids)
    hanging = await instances.details_of_each(tx, [instance.id for instance in behind.values()])
    shown = {
        port_id: instance_view(ctx.app, instance, hanging[instance.id], WITHOUT_SUBNETS)
        for port_id, instance in behind.items()
    }
    views = await show_each(tx, ctx, found)
    listed = LegacyListedFloatingIP if ctx.app.legacy_fields else ListedFloatingIP
    return [listed(**asdict(view), instance=shown.get(view.port_id or ""), loadbalancer=None) for view in views]
