"""Create, update and delete routers, their interfaces in subnets and their external gateways."""

from collections.abc import Sequence
from typing import Any

from msgspec import to_builtins
from msgspec.structs import asdict, replace

from pileus.domain.account.user_actions import AuditEntry
from pileus.domain.context import Context
from pileus.domain.errors import Conflict, NotFound, invalid, nest_field_errors
from pileus.domain.network import routers as rules
from pileus.domain.network.networks import Subnet
from pileus.domain.network.ports import derive_mac_address
from pileus.domain.network.routers import (
    NewExternalGateway,
    NewRouter,
    Router,
    RouterInterface,
    RouterPatch,
    RouterPort,
    RouterStatus,
)
from pileus.domain.network.subnets import normalize_routes, parse_ip_address
from pileus.domain.network.task_types import (
    CREATE_ROUTER,
    DELETE_ROUTER,
    UPDATE_ROUTER,
    RouterTaskArgs,
    UpdateRouterArgs,
)
from pileus.domain.tasks import Task
from pileus.services.account.quotas import check_quotas
from pileus.services.tasks import start_task
from pileus.store.account import projects
from pileus.store.database import Tx
from pileus.store.network import addresses, networks, router_interfaces, routers, subnets


async def create_router(tx: Tx, ctx: Context, new: NewRouter, task_id: str, *, audit_data: dict[str, Any]) -> Task:
    """Save a router with its external gateway and interfaces, and start the task that creates it.

    Raises NotFound, Invalid, Conflict, QuotaExceeded or NoCapacity.
    """
    ctx.require_region()
    router = replace(new_router(ctx, new.name, task_id), routes=normalize_routes("routes", new.routes))
    await projects.require_active(tx, ctx.place)
    await check_quotas(tx, ctx, {"router_count": 1})
    router = await _add_router(tx, ctx, router, new.external_gateway)
    for position, subnet_id in enumerate(new.subnet_ids):
        with nest_field_errors("interfaces", position):
            await _add_interface_in_own_subnet(tx, ctx, router, subnet_id)
    await _check_routes_reachable(tx, router)
    data = {"router_id": router.id, "name": router.name}
    entry = AuditEntry("router", "create", router.id, audit_data)
    return await start_task(
        tx, ctx, task_id, CREATE_ROUTER, RouterTaskArgs(router_id=router.id), data=data, entry=entry
    )


async def update_router(tx: Tx, ctx: Context, router_id: str, patch: RouterPatch, task_id: str) -> Task | None:
    """Lock the router and start the task that applies the patch; return None if it changes nothing."""
    router = (await routers.get_for_change(tx, ctx.place, router_id)).require_unlocked()
    effective = router.patch_of_changed_fields(patch)
    if not effective:
        return None
    new, old = await _replace_gateway_port(tx, ctx, router, effective)
    await _check_routes_reachable(tx, router.patched(effective), ignored_ports=old)
    data = to_builtins(effective)
    return await _start_update(tx, ctx, router, task_id, data, patch=effective, new=new, old=old)


async def delete_router(tx: Tx, ctx: Context, router_id: str, task_id: str) -> Task:
    """Lock a router that no floating IP uses, and start the task that deletes it."""
    router = await routers.get(tx, ctx.place, router_id)
    await routers.save(tx, router, router.locked(task_id))
    for subnet in await router_interfaces.list_subnets_of_interfaces(
        tx, await router_interfaces.list_by_router(tx, router_id)
    ):
        subnet.require_unlocked()
    await check_no_floating_ip_uses_router(tx, router)
    entry = AuditEntry("router", "delete", router_id, name=router.name)
    return await start_task(tx, ctx, task_id, DELETE_ROUTER, RouterTaskArgs(router_id=router_id), entry=entry)


async def attach_subnet(
    tx: Tx, ctx: Context, router_id: str, subnet_id: str, ip_address: str | None, task_id: str
) -> Task:
    """Add a router interface in a subnet of the project, lock the router and start the task that applies it."""
    router = (await routers.get(tx, ctx.place, router_id)).require_unlocked()
    port = await _add_interface_in_own_subnet(tx, ctx, router, subnet_id, ip_address)
    data = {"subnet_id": subnet_id, "ip_address": ip_address}
    return await _start_update(tx, ctx, router, task_id, data, action="attach", new=[port.id])


async def detach_subnet(tx: Tx, ctx: Context, router_id: str, subnet_id: str, task_id: str) -> Task:
    """Lock the router and start the task that removes its interface in a subnet.

    Raises NotFound if there is none, Invalid if a route uses it, and Conflict if a floating IP does.
    """
    router = (await routers.get_for_change(tx, ctx.place, router_id)).require_unlocked()
    subnet = (await subnets.get(tx, ctx.place, subnet_id)).require_unlocked()
    interface = await _require_removable_interface(tx, router, subnet)
    data = {"subnet_id": subnet_id}
    return await _start_update(tx, ctx, router, task_id, data, action="detach", old=[interface.port.id])


def new_router(ctx: Context, name: str, task_id: str) -> Router:
    """Return the record of a router without gateway, interfaces and routes, locked by the task that creates it."""
    place, now = ctx.place, ctx.now()
    return Router(
        id=ctx.new_id(),
        **asdict(place),
        name=name,
        status=RouterStatus.BUILD.value,
        task_id=task_id,
        creator_task_id=task_id,
        created_at=now,
        updated_at=now,
    )


async def set_external_gateway(tx: Tx, ctx: Context, router: Router, network_id: str) -> RouterPort:
    """Save a router port with an address of an external network. Raises NotFound, Invalid or NoCapacity."""
    network = await networks.get(tx, ctx.place, network_id)
    if not network.external:
        raise invalid(network_id=f"Network {network_id} is not an external one")
    versions = [subnet.ip_version for subnet in await subnets.list_by_network(tx, network_id)]
    # NAT is IPv4 only: an IPv6 address is for networks without IPv4.
    family = "ipv4" if 4 in versions else "ipv6"  # noqa: PLR2004  # the protocol's number
    (subnet,) = await subnets.choose_subnets_to_allocate_from(tx, network_id, family)
    port = await _add_router_port(tx, ctx, router, network_id, gateway=True)
    await addresses.allocate(tx, subnet, router_port_id=port.id)
    return port


async def add_router_interface(
    tx: Tx, ctx: Context, router: Router, subnet: Subnet, ip_address: str | None = None
) -> RouterPort:
    """Save a router port in a subnet: at `ip_address`, or else at the subnet's gateway if that is free.

    Raises Invalid if the router has the subnet or an overlapping one, or the address cannot be assigned.
    """
    interfaces = [
        interface for interface in await router_interfaces.list_by_router(tx, router.id) if not interface.port.gateway
    ]
    rules.check_subnet_attachable(subnet, await router_interfaces.list_subnets_of_interfaces(tx, interfaces))
    port = await _add_router_port(tx, ctx, router, subnet.network_id, gateway=False)
    await router_interfaces.allocate_address(
        tx, subnet, port.id, ip_address and str(parse_ip_address("ip_address", ip_address))
    )
    return port


async def check_no_floating_ip_uses_router(tx: Tx, router: Router, subnet_id: str | None = None) -> None:
    """Raise Conflict if a floating IP goes through the router, or through its interface in a subnet if given."""
    floating_ip_id = await routers.find_floating_ip_id_through_router(tx, router.id, subnet_id)
    if floating_ip_id is not None:
        raise Conflict(f"Router {router.id} is used by floating IP {floating_ip_id}: unassign it first")


async def check_no_route_uses_subnet(tx: Tx, subnet: Subnet, *, deleted_router_id: str | None = None) -> None:
    """Raise Invalid if a route of a router has its next hop in the subnet.

    Increases the revisions of the subnet's routers, so that a concurrent change of their routes conflicts.
    """
    for router in await routers.list_by_subnet(tx, subnet.id):
        if router.id != deleted_router_id:
            rules.check_no_route_via_subnet(router.require_unlocked().routes, subnet)
            await routers.bump_revision(tx, router)


async def _add_router(tx: Tx, ctx: Context, router: Router, gateway: NewExternalGateway | None) -> Router:
    if gateway is None:
        return await routers.add(tx, router)
    with nest_field_errors("external_gateway_info"):
        network_id = gateway.resolve_network_id(ctx.catalogue.external_network_id(ctx.place.region_id))
        await networks.get(tx, ctx.place, network_id)
        router = await routers.add(tx, replace(router, external_network_id=network_id, enable_snat=gateway.enable_snat))
        await set_external_gateway(tx, ctx, router, network_id)
    return router


async def _add_interface_in_own_subnet(
    tx: Tx, ctx: Context, router: Router, subnet_id: str, ip_address: str | None = None
) -> RouterPort:
    subnet = await subnets.bump_revision(tx, (await subnets.get_own(tx, ctx.place, subnet_id)).require_unlocked())
    return await add_router_interface(tx, ctx, router, subnet, ip_address)


async def _replace_gateway_port(
    tx: Tx, ctx: Context, router: Router, patch: RouterPatch
) -> tuple[list[str], list[str]]:
    """Save the port of a new external gateway; return the ids of the new and of the old ports."""
    if "external_network_id" not in patch:
        return [], []
    await check_no_floating_ip_uses_router(tx, router)
    old = [
        interface.port.id
        for interface in await router_interfaces.list_by_router(tx, router.id)
        if interface.port.gateway
    ]
    network_id = patch["external_network_id"]
    with nest_field_errors("external_gateway_info"):
        new = [(await set_external_gateway(tx, ctx, router, network_id)).id] if network_id else []
    return new, old


async def _require_removable_interface(tx: Tx, router: Router, subnet: Subnet) -> RouterInterface:
    for interface in await router_interfaces.list_by_subnet(tx, subnet.id):
        if interface.port.router_id == router.id and not interface.port.gateway:
            rules.check_no_route_via_subnet(router.routes, subnet)
            await check_no_floating_ip_uses_router(tx, router, subnet.id)
            return interface
    raise NotFound(f"Subnet {subnet.id} is not attached to router {router.id}")


async def _check_routes_reachable(tx: Tx, router: Router, ignored_ports: Sequence[str] = ()) -> None:
    """Raise Invalid if the next hop of a route is in none of the router's subnets."""
    interfaces = [
        interface
        for interface in await router_interfaces.list_by_router(tx, router.id)
        if interface.port.id not in ignored_ports
    ]
    own_ips = {assigned.ip for interface in interfaces for assigned in interface.addresses}
    rules.check_next_hops_in_subnets(
        router.routes, await router_interfaces.list_subnets_of_interfaces(tx, interfaces), own_ips
    )


async def _add_router_port(tx: Tx, ctx: Context, router: Router, network_id: str, *, gateway: bool) -> RouterPort:
    port_id = ctx.new_id()
    port = RouterPort(
        id=port_id,
        router_id=router.id,
        network_id=network_id,
        gateway=gateway,
        mac_address=derive_mac_address(port_id),
        created_at=ctx.now(),
    )
    return await router_interfaces.add(tx, port)


async def _start_update(
    tx: Tx,
    ctx: Context,
    router: Router,
    task_id: str,
    data: dict[str, Any],
    *,
    action: str = "update",
    patch: RouterPatch | None = None,
    new: Sequence[str] = (),
    old: Sequence[str] = (),
) -> Task:
    """Lock the router and start the task that applies its changes."""
    await routers.save(tx, router, router.locked(task_id))
    args = UpdateRouterArgs(router_id=router.id, patch=patch or RouterPatch(), new=list(new), old=list(old))
    entry = AuditEntry("router", action, router.id, data, name=router.name)
    return await start_task(tx, ctx, task_id, UPDATE_ROUTER, args, data={"router_id": router.id, **data}, entry=entry)
