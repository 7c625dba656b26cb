"""Build the views of load balancers, and of their statuses."""

from collections.abc import Sequence

from msgspec import Struct

from pileus.api.context import RequestContext
from pileus.api.paging import LARGEST
from pileus.api.routes.load_balancers.observations import Observations, read_observed
from pileus.api.routes.load_balancers.operating_statuses import read_load_balancer_statuses
from pileus.api.routes.network.floating_ip_views import build_floating_ip_views
from pileus.api.wire.load_balancers.load_balancers import LoadBalancerContents, LoadBalancerView
from pileus.api.wire.load_balancers.stats import StatsView
from pileus.api.wire.network.ddos_profiles import DdosProfileView
from pileus.api.wire.network.floating_ips import FloatingIPView
from pileus.domain.load_balancers.load_balancers import LoadBalancer
from pileus.domain.network.ports import AssignedAddress
from pileus.domain.places import Place
from pileus.drivers.protocols.load_balancers import BalancedTraffic
from pileus.store import tags
from pileus.store.database import Tx
from pileus.store.load_balancers import listeners, load_balancers
from pileus.store.loop_turns import build_in_turns
from pileus.store.network import ddos_profiles, floating_ips, ports
from pileus.store.network.reserved_fixed_ips import list_addresses_by_port


class ViewOptions(Struct, frozen=True, kw_only=True):
    """What the views show beside the records."""

    show_stats: bool = False
    with_ddos: bool = False


class StatusFilter(Struct, frozen=True, kw_only=True):
    """The operating status that a list is filtered by, and the column and direction of its order."""

    operating_status: str | None = None
    order_by: str


RECORDS_ALONE = ViewOptions()


async def build_load_balancer_views(
    tx: Tx,
    ctx: RequestContext,
    observations: Observations,
    records: Sequence[LoadBalancer],
    options: ViewOptions = RECORDS_ALONE,
) -> list[LoadBalancerView]:
    """Return the views of load balancers."""
    ids = [record.id for record in records]
    statuses = await read_load_balancer_statuses(tx, ctx, observations, records)
    vip_port_ids = [record.vip_port_id for record in records]
    tags_by_id, listener_ids = (
        await tags.list_by_resources(tx, ids),
        await listeners.list_ids_by_load_balancers(tx, ids),
    )
    vip_addresses = await list_addresses_by_port(tx, vip_port_ids)
    machine_addresses = await _list_machine_addresses(tx, ids)
    floating_ip_views = await _list_floating_ips(tx, ctx, vip_port_ids)
    stats = _read_stats(observations, ids) if options.show_stats else {}
    profiles = await _read_profiles(tx, ctx, records) if options.with_ddos else {}
    region = ctx.require_region().display_name
    return await build_in_turns(
        LoadBalancerView.of(
            record,
            LoadBalancerContents(
                operating_status=statuses[record.id],
                flavor=ctx.catalogue.load_balancer_flavor(record.flavor_name),
                listener_ids=listener_ids[record.id],
                vip_addresses=vip_addresses[record.vip_port_id],
                machine_addresses=machine_addresses[record.id],
                floating_ips=floating_ip_views[record.vip_port_id],
                tags=tags_by_id[record.id],
                stats=stats.get(record.id),
                ddos_profile=profiles.get(record.id),
            ),
            region,
        )
        for record in records
    )


async def read_page(
    tx: Tx,
    ctx: RequestContext,
    observations: Observations,
    place: Place,
    filters: load_balancers.LoadBalancerFilter,
    status_filter: StatusFilter,
    *,
    limit: int,
    offset: int,
) -> tuple[int, list[LoadBalancer]]:
    """Return the number of matching load balancers and one page of them.

    The operating status follows from the members and their monitors when it is read: the database can neither filter
    nor sort by it. A quota keeps the number of load balancers low.
    """
    order_by, status = status_filter.order_by, status_filter.operating_status
    is_sorted_by_status = order_by.startswith("operating_status")
    if status is None and not is_sorted_by_status:
        return await load_balancers.page(tx, place, filters, order_by, limit=limit, offset=offset)
    _, records = await load_balancers.page(tx, place, filters, order_by, limit=LARGEST, offset=0)
    statuses = await read_load_balancer_statuses(tx, ctx, observations, records)
    matching = [record for record in records if status in (None, statuses[record.id])]
    if is_sorted_by_status:
        matching.sort(key=lambda record: statuses[record.id], reverse=order_by.endswith(".desc"))
    return len(matching), matching[offset : offset + limit]


async def read_load_balancer_view(
    ctx: RequestContext, load_balancer_id: str, options: ViewOptions = RECORDS_ALONE
) -> LoadBalancerView:
    """Read a load balancer. Raises NotFound."""

    async def read(tx: Tx, observations: Observations) -> LoadBalancerView:
        load_balancer = await load_balancers.get(tx, ctx.place, load_balancer_id)
        (view,) = await build_load_balancer_views(tx, ctx, observations, [load_balancer], options)
        return view

    return await read_observed(ctx, ctx.db.read, read)


def _read_stats(observations: Observations, ids: Sequence[str]) -> dict[str, StatsView]:
    return {
        load_balancer_id: StatsView.of(sum(observations.traffic_of(load_balancer_id).values(), BalancedTraffic()))
        for load_balancer_id in ids
    }


async def _read_profiles(tx: Tx, ctx: RequestContext, records: Sequence[LoadBalancer]) -> dict[str, DdosProfileView]:
    views = {}
    for record in records:
        profile = await ddos_profiles.find_by_address(tx, record.region_id, record.vip_address)
        if profile is not None and profile.project_id == record.project_id:
            views[record.id] = DdosProfileView.of(profile, ctx.catalogue.ddos_template(profile.template_id))
    return views


async def _list_machine_addresses(tx: Tx, ids: Sequence[str]) -> dict[str, list[tuple[str, AssignedAddress]]]:
    """Return the roles and addresses of the machines of load balancers, by id."""
    machine_ports = await ports.list_machine_ports_of_load_balancers(tx, ids)
    addresses = await list_addresses_by_port(tx, [port.id for port in machine_ports])
    lines: dict[str, list[tuple[str, AssignedAddress]]] = {load_balancer_id: [] for load_balancer_id in ids}
    for port in machine_ports:
        lines[port.load_balancer_id or ""] += [(port.vrrp_role or "", line) for line in addresses[port.id]]
    return lines


async def _list_floating_ips(tx: Tx, ctx: RequestContext, port_ids: Sequence[str]) -> dict[str, list[FloatingIPView]]:
    views: dict[str, list[FloatingIPView]] = {port_id: [] for port_id in port_ids}
    for view in await build_floating_ip_views(tx, ctx, await floating_ips.list_by_ports(tx, port_ids)):
        views[view.port_id or ""].append(view)
    return views
