"""Create, update and delete networks, with the router that a network may have been created with.

A failed creation leaves nothing behind; a failure of another operation leaves the network as it was. An update is
saved when the driver has applied it.
"""

from msgspec.structs import replace

from pileus.domain.errors import Conflict
from pileus.domain.network.networks import Network
from pileus.domain.network.routers import RouterInterface
from pileus.domain.network.task_types import (
    CREATE_NETWORK,
    DELETE_NETWORK,
    UPDATE_NETWORK,
    CreateOrDeleteNetworkArgs,
    NetworkTaskArgs,
    UpdateNetworkArgs,
)
from pileus.domain.tasks import created_resources_by_kind
from pileus.drivers.protocols.network import NetworkSpec, SubnetSpec
from pileus.store import tags
from pileus.store.database import Tx
from pileus.store.network import networks, router_interfaces, routers, subnets
from pileus.tasks.capabilities import require_network_support, require_router_support
from pileus.tasks.network.routers import (
    add_interfaces,
    ensure_router_in_driver,
    remove_interfaces,
    remove_router_records,
    save_router_active,
    unlock_router,
)
from pileus.tasks.network.subnets import remove_subnet_records
from pileus.tasks.operation import CreatedResources, Operation, Step, TaskContext


async def _load_network(ctx: TaskContext[NetworkTaskArgs]) -> Network:
    async with ctx.db.read() as tx:
        return await networks.require(tx, ctx.args.network_id)


async def _apply_saved(ctx: TaskContext[NetworkTaskArgs]) -> None:
    network = await _load_network(ctx)
    await require_network_support(ctx.driver).ensure_network(NetworkSpec.of(network))


async def _destroy_network(ctx: TaskContext[NetworkTaskArgs]) -> None:
    await require_network_support(ctx.driver).ensure_no_network(ctx.args.network_id)


async def _create_router(ctx: TaskContext[CreateOrDeleteNetworkArgs]) -> None:
    if ctx.args.router_id:
        await ensure_router_in_driver(ctx, ctx.args.router_id)


async def _destroy_router(ctx: TaskContext[CreateOrDeleteNetworkArgs]) -> None:
    if ctx.args.router_id:
        await require_router_support(ctx.driver).ensure_no_router(ctx.args.router_id)


async def _save_created(tx: Tx, ctx: TaskContext[CreateOrDeleteNetworkArgs]) -> CreatedResources:
    network_id, router_id = ctx.args.network_id, ctx.args.router_id
    await _unlock(tx, ctx)
    if router_id is None:
        return created_resources_by_kind(networks=[network_id])
    await save_router_active(tx, router_id, ctx.now())
    return created_resources_by_kind(networks=[network_id], routers=[router_id])


async def _remove_created(tx: Tx, ctx: TaskContext[CreateOrDeleteNetworkArgs]) -> None:
    if ctx.args.router_id:
        await remove_router_records(tx, ctx.args.router_id)
    await tags.remove(tx, ctx.args.network_id)
    await networks.remove(tx, ctx.args.network_id)


async def _apply_update(ctx: TaskContext[UpdateNetworkArgs]) -> None:
    network = await _load_network(ctx)
    await require_network_support(ctx.driver).ensure_network(NetworkSpec.of(network.patched(ctx.args.patch, ctx.now())))


async def _save_updated(tx: Tx, ctx: TaskContext[UpdateNetworkArgs]) -> None:
    network, patch = await networks.require(tx, ctx.args.network_id), ctx.args.patch
    await networks.save(tx, network, replace(network.patched(patch, ctx.now()), task_id=None))
    if "tags" in patch:
        await tags.patch(tx, networks.KIND, ctx.task.place, network.id, patch["tags"])


async def _unlock(tx: Tx, ctx: TaskContext[NetworkTaskArgs]) -> None:
    network = await networks.require(tx, ctx.args.network_id)
    await networks.save(tx, network, replace(network, task_id=None))


async def _remove_router_interfaces(ctx: TaskContext[NetworkTaskArgs]) -> None:
    await remove_interfaces(ctx, await _load_router_interfaces(ctx))


async def _add_router_interfaces(ctx: TaskContext[NetworkTaskArgs]) -> None:
    await add_interfaces(ctx.driver, await _load_router_interfaces(ctx))


async def _load_router_interfaces(ctx: TaskContext[NetworkTaskArgs]) -> list[RouterInterface]:
    async with ctx.db.read() as tx:
        return await router_interfaces.list_by_network(tx, ctx.args.network_id)


async def _restore_network(ctx: TaskContext[NetworkTaskArgs]) -> None:
    await _apply_saved(ctx)
    async with ctx.db.read() as tx:
        existing_subnets = await subnets.list_by_network(tx, ctx.args.network_id)
    for subnet in existing_subnets:
        await require_network_support(ctx.driver).ensure_subnet(SubnetSpec.of(subnet))


async def _remove_deleted(tx: Tx, ctx: TaskContext[CreateOrDeleteNetworkArgs]) -> None:
    network_id = ctx.args.network_id
    if await networks.has_ports(tx, network_id):
        raise Conflict(f"Network {network_id} has ports again")
    if ctx.args.router_id:
        await remove_router_records(tx, ctx.args.router_id)
    for subnet in await subnets.list_by_network(tx, network_id):
        await remove_subnet_records(tx, subnet)
    await routers.clear_network_reference(tx, network_id)
    await tags.remove(tx, network_id)
    await networks.remove(tx, network_id)


async def _unlock_all(tx: Tx, ctx: TaskContext[CreateOrDeleteNetworkArgs]) -> None:
    await _unlock(tx, ctx)
    for subnet in await subnets.list_by_network(tx, ctx.args.network_id):
        await subnets.save(tx, subnet, replace(subnet, task_id=None))
    if ctx.args.router_id:
        await unlock_router(tx, ctx.args.router_id)


OPERATIONS = (
    Operation(
        CREATE_NETWORK,
        steps=(
            Step("create the network", _apply_saved, undo=_destroy_network),
            Step("create the router", _create_router, undo=_destroy_router),
        ),
        done=_save_created,
        failed=_remove_created,
    ),
    Operation(
        UPDATE_NETWORK,
        steps=(Step("update the network", _apply_update, undo=_apply_saved),),
        done=_save_updated,
        failed=_unlock,
    ),
    Operation(
        DELETE_NETWORK,
        steps=(
            Step("remove router interfaces", _remove_router_interfaces, undo=_add_router_interfaces),
            Step("delete the router", _destroy_router, undo=_create_router),
            Step("delete the network", _destroy_network, undo=_restore_network),
        ),
        done=_remove_deleted,
        failed=_unlock_all,
    ),
)
