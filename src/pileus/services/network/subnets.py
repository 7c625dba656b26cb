"""Create, update and delete subnets."""

from collections.abc import Mapping

from msgspec import to_builtins
from msgspec.structs import replace

from pileus.domain.account.user_actions import AuditEntry
from pileus.domain.catalogue import Catalogue
from pileus.domain.context import Context
from pileus.domain.errors import Conflict, invalid
from pileus.domain.network.networks import Subnet
from pileus.domain.network.routers import Router
from pileus.domain.network.subnets import NewSubnet, SubnetPatch, has_same_host_settings, patched_subnet, plan_subnet
from pileus.domain.network.task_types import (
    CREATE_SUBNET,
    DELETE_SUBNET,
    UPDATE_SUBNET,
    SubnetTaskArgs,
    UpdateSubnetArgs,
)
from pileus.domain.tags import check_tag_count, make_tags, merged_tags, validate_tags
from pileus.domain.tasks import Task
from pileus.services.account.quotas import check_quotas
from pileus.services.account.user_actions import write_audit_entry
from pileus.services.network.routers import add_router_interface, check_no_route_uses_subnet
from pileus.services.tags import add_tags, patch_tags
from pileus.services.tasks import start_task
from pileus.store import tags
from pileus.store.account import projects
from pileus.store.database import Tx
from pileus.store.network import addresses, networks, router_interfaces, routers, subnets


async def create_subnet(
    tx: Tx,
    ctx: Context,
    network_id: str,
    new: NewSubnet,
    task_id: str,
    *,
    connect_to_router: bool,
    router_id: str | None,
    user_tags: Mapping[str, str],
) -> Task:
    """Lock the network, save a subnet, with an interface of a router if `connect_to_router`, and start the task.

    The router is `router_id`, or else the one created with the network, if any. Raises NotFound, Forbidden, Invalid,
    Conflict or QuotaExceeded.
    """
    ctx.require_region()
    new_tags = make_tags(validate_tags(user_tags).items())
    await projects.require_active(tx, ctx.place)
    subnet = await _add_subnet(tx, ctx, network_id, new, task_id)
    await add_tags(tx, ctx, subnets.KIND, subnet.id, new_tags)
    router = await _resolve_router(tx, ctx, network_id, new, connect_to_router=connect_to_router, router_id=router_id)
    if router is not None:
        await add_router_interface(tx, ctx, await routers.bump_revision(tx, router.require_unlocked()), subnet)
    audit_data = {"name": subnet.name, "cidr": subnet.cidr, "network_id": subnet.network_id}
    data = {"subnet_id": subnet.id, **audit_data}
    entry = AuditEntry("subnet", "create", subnet.id, audit_data)
    return await start_task(
        tx, ctx, task_id, CREATE_SUBNET, SubnetTaskArgs(subnet_id=subnet.id), data=data, entry=entry
    )


async def update_subnet(tx: Tx, ctx: Context, subnet_id: str, patch: SubnetPatch, task_id: str) -> Task | None:
    """Lock the subnet and start the task that applies the patch.

    A patch of name and tags alone is applied at once, without a task; return None then. A gateway of null is ignored
    while a router has the gateway's address: older clients send it with each update.
    """
    await subnets.get_own(tx, ctx.place, subnet_id)
    before = (await subnets.TABLE.lock(tx, subnet_id)).require_unlocked()
    if patch.get("gateway_ip", "") is None and await _is_gateway_of_router(tx, before):
        del patch["gateway_ip"]
    after, data = patched_subnet(before, patch, ctx.now()), to_builtins(patch)
    entry = AuditEntry("subnet", "update", subnet_id, data, name=after.name)
    if has_same_host_settings(before, after):
        await write_audit_entry(tx, ctx, entry)
        if "tags" in patch:
            await patch_tags(tx, ctx, subnets.KIND, subnet_id, patch["tags"])
        await subnets.save(tx, before, after)
        return None
    await _check_gateway_free(tx, before, after)
    if "tags" in patch:
        old_tags = await tags.list_by_resource(tx, subnet_id)
        check_tag_count(old_tags, merged_tags(old_tags, patch["tags"]), ctx.tag_limit)
    await subnets.save(tx, before, before.locked(task_id))
    args, data = UpdateSubnetArgs(subnet_id=subnet_id, patch=patch), {"subnet_id": subnet_id, **data}
    return await start_task(tx, ctx, task_id, UPDATE_SUBNET, args, data=data, entry=entry)


async def delete_subnet(tx: Tx, ctx: Context, subnet_id: str, task_id: str) -> Task:
    """Lock a subnet that no port and no route uses, and start the task that deletes it and its router interfaces.

    Interfaces that take an address from any subnet of the network lock only the network.
    """
    await networks.TABLE.lock(tx, (await subnets.get_own(tx, ctx.place, subnet_id)).network_id)
    subnet = await subnets.get_own(tx, ctx.place, subnet_id)
    await subnets.save(tx, subnet, subnet.locked(task_id))
    if await subnets.has_ports(tx, subnet_id):
        raise Conflict(f"Subnet {subnet_id} has ports: delete what uses them first")
    await check_no_route_uses_subnet(tx, subnet)
    entry = AuditEntry("subnet", "delete", subnet_id, name=subnet.name)
    return await start_task(tx, ctx, task_id, DELETE_SUBNET, SubnetTaskArgs(subnet_id=subnet_id), entry=entry)


async def _add_subnet(tx: Tx, ctx: Context, network_id: str, new: NewSubnet, task_id: str) -> Subnet:
    network = (await networks.get_own(tx, ctx.place, network_id)).require_unlocked()
    await check_quotas(tx, ctx, {"subnet_count": 1})
    if new.dns_nameservers is None:
        new = replace(new, dns_nameservers=_default_nameservers(ctx.catalogue, new.cidr))
    others = await subnets.list_by_network(tx, network.id)
    subnet = plan_subnet(new, network, others, ctx, task_id)
    await networks.save(tx, network, network.locked(task_id))
    return await subnets.add(tx, subnet)


def _default_nameservers(catalogue: Catalogue, cidr: str) -> list[str]:
    """Return the external network's name servers of the IP version of a subnet."""
    nameservers = [server for subnet in catalogue.networks[0].subnets for server in subnet.dns_nameservers or ()]
    return [server for server in nameservers if (":" in server) == (":" in cidr)]


async def _resolve_router(
    tx: Tx, ctx: Context, network_id: str, new: NewSubnet, *, connect_to_router: bool, router_id: str | None
) -> Router | None:
    """Return the router that gets an interface in a new subnet, or None. Raises Invalid or NotFound."""
    if not connect_to_router:
        if router_id is not None:
            raise invalid(router_id_to_connect="A router can be named only if `connect_to_network_router` is true")
        return None
    if new.gateway_ip is None:
        raise invalid(connect_to_network_router="It must be false where `gateway_ip` is null")
    if router_id is not None:
        return await routers.get(tx, ctx.place, router_id)
    return await routers.find_created_with_network(tx, network_id)


async def _is_gateway_of_router(tx: Tx, subnet: Subnet) -> bool:
    interfaces = await router_interfaces.list_by_subnet(tx, subnet.id)
    return any(address.ip == subnet.gateway_ip for interface in interfaces for address in interface.addresses)


async def _check_gateway_free(tx: Tx, before: Subnet, after: Subnet) -> None:
    """Raise Conflict if the gateway changes and the old or the new address is in use."""
    if before.gateway_ip == after.gateway_ip:
        return
    for gateway in (before.gateway_ip, after.gateway_ip):
        if gateway is not None and await addresses.is_in_use(tx, before, gateway):
            raise Conflict(f"Address {gateway} of subnet {before.id} is in use: its gateway cannot change")
