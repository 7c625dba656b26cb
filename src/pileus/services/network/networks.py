"""Create, update and delete networks."""

from collections.abc import Mapping

from msgspec import to_builtins
from msgspec.structs import asdict, replace

from pileus.domain.account.user_actions import AuditEntry
from pileus.domain.context import Context
from pileus.domain.errors import Conflict
from pileus.domain.network.networks import MTU, Network
from pileus.domain.network.routers import Router, default_router_name
from pileus.domain.network.task_types import (
    CREATE_NETWORK,
    DELETE_NETWORK,
    UPDATE_NETWORK,
    CreateOrDeleteNetworkArgs,
    UpdateNetworkArgs,
)
from pileus.domain.patches import ResourcePatch
from pileus.domain.tags import check_tag_count, make_tags, merged_tags, validate_tags
from pileus.domain.tasks import Task
from pileus.services.account.quotas import check_quotas
from pileus.services.network.routers import (
    check_no_floating_ip_uses_router,
    check_no_route_uses_subnet,
    new_router,
    set_external_gateway,
)
from pileus.services.tags import add_tags
from pileus.services.tasks import start_task
from pileus.store import tags
from pileus.store.account import projects
from pileus.store.database import Tx
from pileus.store.network import networks, router_interfaces, routers, subnets


async def create_network(
    tx: Tx,
    ctx: Context,
    name: str,
    network_type: str,
    task_id: str,
    *,
    create_router: bool,
    user_tags: Mapping[str, str],
) -> Task:
    """Save a network, with a router to the external network if `create_router`, and start the task that creates them.

    Raises NotFound, Invalid, QuotaExceeded or NoCapacity.
    """
    ctx.require_region()
    new_tags = make_tags(validate_tags(user_tags).items())
    await projects.require_active(tx, ctx.place)
    await check_quotas(tx, ctx, {"network_count": 1, "router_count": int(create_router)})
    network = await networks.add(tx, await _plan_network(tx, ctx, name, network_type, task_id))
    await add_tags(tx, ctx, networks.KIND, network.id, new_tags)
    router_id = await _add_router(tx, ctx, network, task_id) if create_router else None
    args = CreateOrDeleteNetworkArgs(network_id=network.id, router_id=router_id)
    audit_data = {"name": network.name, "type": network.type, "create_router": create_router}
    data = {"network_id": network.id, "router_id": router_id, **audit_data}
    entry = AuditEntry("network", "create", network.id, audit_data)
    return await start_task(tx, ctx, task_id, CREATE_NETWORK, args, data=data, entry=entry)


async def update_network(tx: Tx, ctx: Context, network_id: str, patch: ResourcePatch, task_id: str) -> Task | None:
    """Lock the network and start the task that applies the patch; return None if it changes nothing."""
    network = (await networks.get_own(tx, ctx.place, network_id)).require_unlocked()
    old_tags = await tags.list_by_resource(tx, network_id)
    new_tags = merged_tags(old_tags, patch.get("tags", {}))
    if patch.get("name", network.name) == network.name and new_tags == old_tags:
        return None
    check_tag_count(old_tags, new_tags, ctx.tag_limit)
    await networks.save(tx, network, network.locked(task_id))
    args, patch_data = UpdateNetworkArgs(network_id=network_id, patch=patch), to_builtins(patch)
    data = {"network_id": network_id, **patch_data}
    entry = AuditEntry("network", "update", network_id, patch_data, name=network.name)
    return await start_task(tx, ctx, task_id, UPDATE_NETWORK, args, data=data, entry=entry)


async def delete_network(tx: Tx, ctx: Context, network_id: str, task_id: str) -> Task:
    """Lock a network without ports, its subnets and the router created with it, and start the task that deletes them.

    The router stays if it has interfaces in other networks.
    """
    network = await networks.get_own(tx, ctx.place, network_id)
    await networks.save(tx, network, network.locked(task_id))
    if await networks.has_ports(tx, network_id):
        raise Conflict(f"Network {network_id} has ports: delete what uses them first")
    router = await _lock_router(tx, network, task_id)
    router_id = router.id if router else None
    for subnet in await subnets.list_by_network(tx, network_id):
        await subnets.save(tx, subnet, subnet.locked(task_id))
        await check_no_route_uses_subnet(tx, subnet, deleted_router_id=router_id)
    args = CreateOrDeleteNetworkArgs(network_id=network_id, router_id=router_id)
    entry = AuditEntry("network", "delete", network_id, name=network.name)
    return await start_task(tx, ctx, task_id, DELETE_NETWORK, args, data={"network_id": network_id}, entry=entry)


async def _plan_network(tx: Tx, ctx: Context, name: str, network_type: str, task_id: str) -> Network:
    network_id, place, now = ctx.new_id(), ctx.place, ctx.now()
    return Network(
        id=network_id,
        **asdict(place),
        name=name,
        type=network_type,
        mtu=MTU,
        segmentation_id=await networks.choose_segmentation_id(tx, place.region_id, network_type, network_id),
        task_id=task_id,
        creator_task_id=task_id,
        created_at=now,
        updated_at=now,
    )


async def _add_router(tx: Tx, ctx: Context, network: Network, task_id: str) -> str:
    external_network_id = ctx.catalogue.external_network_id(ctx.place.region_id)
    router = replace(
        new_router(ctx, default_router_name(network), task_id),
        network_id=network.id,
        external_network_id=external_network_id,
    )
    await routers.add(tx, router)
    await set_external_gateway(tx, ctx, router, external_network_id)
    return router.id


async def _lock_router(tx: Tx, network: Network, task_id: str) -> Router | None:
    """Lock the router created with the network, unless it has interfaces in other networks."""
    router = await routers.find_created_with_network(tx, network.id)
    interfaces = await router_interfaces.list_by_router(tx, router.id) if router else []
    ports = [interface.port for interface in interfaces]
    if router is None or any(not port.gateway and port.network_id != network.id for port in ports):
        return None
    locked_router = await routers.save(tx, router, router.locked(task_id))
    await check_no_floating_ip_uses_router(tx, router)
    return locked_router
