"""Create, update and delete subnets.

A failed creation leaves nothing behind; a failure of another operation leaves the subnet as it was. An update is saved
when the driver has applied it.
"""

from msgspec.structs import replace

from pileus.domain.errors import Conflict
from pileus.domain.network.networks import Subnet
from pileus.domain.network.routers import RouterInterface, check_no_route_via_subnet
from pileus.domain.network.subnets import patched_subnet
from pileus.domain.network.task_types import (
    CREATE_SUBNET,
    DELETE_SUBNET,
    UPDATE_SUBNET,
    SubnetTaskArgs,
    UpdateSubnetArgs,
)
from pileus.domain.tasks import created_resources_by_kind
from pileus.drivers.protocols.network import SubnetSpec
from pileus.store import tags
from pileus.store.database import Tx
from pileus.store.network import addresses, networks, router_interfaces, routers, subnets
from pileus.tasks.capabilities import require_network_support
from pileus.tasks.network.routers import add_interfaces, remove_interfaces
from pileus.tasks.operation import CreatedResources, Operation, Step, TaskContext


async def _load_subnet(ctx: TaskContext[SubnetTaskArgs]) -> Subnet:
    async with ctx.db.read() as tx:
        return await subnets.require(tx, ctx.args.subnet_id)


async def remove_subnet_records(tx: Tx, subnet: Subnet) -> None:
    """Delete a subnet and the router interfaces in it. Raises Conflict if a router has a route through it."""
    for router in await routers.list_by_subnet(tx, subnet.id):
        check_no_route_via_subnet(router.routes, subnet)
    for interface in await router_interfaces.list_by_subnet(tx, subnet.id):
        await router_interfaces.remove(tx, interface.port.id)
    await tags.remove(tx, subnet.id)
    await subnets.remove(tx, subnet.id)


async def _apply_saved(ctx: TaskContext[SubnetTaskArgs]) -> None:
    subnet = await _load_subnet(ctx)
    await require_network_support(ctx.driver).ensure_subnet(SubnetSpec.of(subnet))


async def _destroy_subnet(ctx: TaskContext[SubnetTaskArgs]) -> None:
    await require_network_support(ctx.driver).ensure_no_subnet(ctx.args.subnet_id)


async def _add_router_interfaces(ctx: TaskContext[SubnetTaskArgs]) -> None:
    await add_interfaces(ctx.driver, await _load_router_interfaces(ctx))


async def _remove_router_interfaces(ctx: TaskContext[SubnetTaskArgs]) -> None:
    await remove_interfaces(ctx, await _load_router_interfaces(ctx))


async def _load_router_interfaces(ctx: TaskContext[SubnetTaskArgs]) -> list[RouterInterface]:
    async with ctx.db.read() as tx:
        return await router_interfaces.list_by_subnet(tx, ctx.args.subnet_id)


async def _save_created(tx: Tx, ctx: TaskContext[SubnetTaskArgs]) -> CreatedResources:
    await _unlock(tx, ctx)
    await _unlock_network(tx, ctx)
    return created_resources_by_kind(subnets=[ctx.args.subnet_id])


async def _remove_created(tx: Tx, ctx: TaskContext[SubnetTaskArgs]) -> None:
    await _unlock_network(tx, ctx)
    await remove_subnet_records(tx, await subnets.require(tx, ctx.args.subnet_id))


async def _remove_deleted(tx: Tx, ctx: TaskContext[SubnetTaskArgs]) -> None:
    subnet = await subnets.require(tx, ctx.args.subnet_id)
    if await subnets.has_ports(tx, subnet.id):
        raise Conflict(f"Subnet {subnet.id} has ports again")
    await remove_subnet_records(tx, subnet)


async def _unlock(tx: Tx, ctx: TaskContext[SubnetTaskArgs]) -> None:
    subnet = await subnets.require(tx, ctx.args.subnet_id)
    await subnets.save(tx, subnet, replace(subnet, task_id=None))


async def _unlock_network(tx: Tx, ctx: TaskContext[SubnetTaskArgs]) -> None:
    """Unlock the network of a new subnet. Tasks of earlier versions have not locked it."""
    subnet = await subnets.require(tx, ctx.args.subnet_id)
    network = await networks.require(tx, subnet.network_id)
    if network.task_id == ctx.task.id:
        await networks.save(tx, network, replace(network, task_id=None))


async def _apply_update(ctx: TaskContext[UpdateSubnetArgs]) -> None:
    subnet = await _load_subnet(ctx)
    await require_network_support(ctx.driver).ensure_subnet(
        SubnetSpec.of(patched_subnet(subnet, ctx.args.patch, ctx.now()))
    )


async def _save_updated(tx: Tx, ctx: TaskContext[UpdateSubnetArgs]) -> None:
    subnet, patch = await subnets.require(tx, ctx.args.subnet_id), ctx.args.patch
    after = patched_subnet(subnet, patch, ctx.now())
    if after.gateway_ip not in (None, subnet.gateway_ip) and await addresses.is_in_use(tx, subnet, after.gateway_ip):
        raise Conflict(f"Address {after.gateway_ip} of subnet {subnet.id} is in use again")
    await subnets.save(tx, subnet, replace(after, task_id=None))
    if "tags" in patch:
        await tags.patch(tx, subnets.KIND, ctx.task.place, subnet.id, patch["tags"])


OPERATIONS = (
    Operation(
        CREATE_SUBNET,
        steps=(
            Step("create the subnet", _apply_saved, undo=_destroy_subnet),
            Step("add router interfaces", _add_router_interfaces, undo=_remove_router_interfaces),
        ),
        done=_save_created,
        failed=_remove_created,
    ),
    Operation(
        UPDATE_SUBNET,
        steps=(Step("update the subnet", _apply_update, undo=_apply_saved),),
        done=_save_updated,
        failed=_unlock,
    ),
    Operation(
        DELETE_SUBNET,
        steps=(
            Step("remove router interfaces", _remove_router_interfaces, undo=_add_router_interfaces),
            Step("delete the subnet", _destroy_subnet, undo=_apply_saved),
        ),
        done=_remove_deleted,
        failed=_unlock,
    ),
)
