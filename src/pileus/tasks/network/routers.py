"""Create, update and delete routers and their interfaces in subnets.

A failed creation leaves nothing behind; a failure of another operation leaves the router as it was. An update is
saved when the driver has applied it; it fails if a floating IP needs by then what it removes.
"""

from collections.abc import Collection, Iterable, Sequence

from msgspec.structs import replace

from pileus.domain.errors import Conflict
from pileus.domain.network.routers import Router, RouterInterface, check_next_hops_in_subnets
from pileus.domain.network.task_types import (
    CREATE_ROUTER,
    DELETE_ROUTER,
    UPDATE_ROUTER,
    RouterTaskArgs,
    UpdateRouterArgs,
)
from pileus.domain.tasks import created_resources_by_kind
from pileus.drivers.protocols.compute import Compute
from pileus.drivers.protocols.network import NicSpec, RouterSpec
from pileus.services.network.routers import check_no_floating_ip_uses_router
from pileus.store.database import Tx
from pileus.store.network import router_interfaces, routers
from pileus.tasks.capabilities import require_router_support
from pileus.tasks.operation import CreatedResources, Operation, Step, TaskContext


def nic_spec(interface: RouterInterface) -> NicSpec:
    """Return a router's interface as drivers see it; it may send from any address, because it forwards packets."""
    return NicSpec(
        port_id=interface.port.id,
        network_id=interface.port.network_id,
        mac_address=interface.port.mac_address,
        addresses=[address.ip for address in interface.addresses],
        secured=False,
    )


def router_spec(router: Router, interfaces: Iterable[RouterInterface]) -> RouterSpec:
    """Return a router as drivers see it, with its external gateway; internal interfaces are added one by one."""
    gateways = (
        interface
        for interface in interfaces
        if interface.port.gateway and interface.port.network_id == router.external_network_id
    )
    gateway = next(gateways, None)
    return RouterSpec(
        id=router.id,
        name=router.name,
        routes=router.routes,
        outside=nic_spec(gateway) if gateway else None,
        translates=router.enable_snat,
    )


def internal_interfaces(interfaces: Iterable[RouterInterface]) -> list[RouterInterface]:
    """Return the interfaces in subnets, without the external gateway."""
    return [interface for interface in interfaces if not interface.port.gateway]


async def ensure_router_in_driver(ctx: TaskContext[object], router_id: str) -> None:
    """Create the router with all its interfaces in the driver. Raises NotFound."""
    router, interfaces = await _load_router(ctx, router_id)
    await _send_router(ctx.driver, router, interfaces, internal_interfaces(interfaces))


async def _send_router(
    driver: Compute, router: Router, interfaces: Sequence[RouterInterface], internal: Iterable[RouterInterface]
) -> None:
    """Send a router and its internal interfaces. A driver may need these before the routes of a new router."""
    await require_router_support(driver).ensure_router(router_spec(router, interfaces))
    await add_interfaces(driver, internal)
    if router.routes:
        await require_router_support(driver).ensure_router(router_spec(router, interfaces))


async def _load_router(ctx: TaskContext[object], router_id: str) -> tuple[Router, list[RouterInterface]]:
    async with ctx.db.read() as tx:
        router = await routers.require(tx, router_id)
        return router, await router_interfaces.list_by_router(tx, router.id)


async def add_interfaces(driver: Compute, interfaces: Iterable[RouterInterface]) -> None:
    """Add interfaces to their routers in the driver."""
    for interface in interfaces:
        await require_router_support(driver).ensure_router_interface(interface.port.router_id, nic_spec(interface))


async def remove_interfaces(ctx: TaskContext[object], interfaces: Iterable[RouterInterface]) -> None:
    """Remove interfaces from their routers in the driver."""
    for interface in interfaces:
        await require_router_support(ctx.driver).ensure_no_router_interface(interface.port.router_id, interface.port.id)


async def remove_router_records(tx: Tx, router_id: str) -> None:
    """Delete a router and its interfaces from the database, which frees their addresses.

    Raises Conflict if a floating IP was assigned through it during the task.
    """
    await routers.TABLE.lock(tx, router_id)
    if floating_ip_id := await routers.find_floating_ip_id_through_router(tx, router_id):
        raise Conflict(f"Router {router_id} is used by floating IP {floating_ip_id} again")
    for interface in await router_interfaces.list_by_router(tx, router_id):
        await router_interfaces.remove(tx, interface.port.id)
    await routers.remove(tx, router_id)


async def save_router_active(tx: Tx, router_id: str, now: int) -> None:
    """Save a router as ACTIVE and unlocked. Raises NotFound."""
    router = await routers.require(tx, router_id)
    await routers.save(tx, router, router.activated(now))


async def unlock_router(tx: Tx, router_id: str) -> None:
    """Save a router as unlocked, otherwise unchanged. Raises NotFound."""
    router = await routers.require(tx, router_id)
    await routers.save(tx, router, replace(router, task_id=None))


async def _create_router(ctx: TaskContext[RouterTaskArgs]) -> None:
    await ensure_router_in_driver(ctx, ctx.args.router_id)


async def _destroy_router(ctx: TaskContext[RouterTaskArgs]) -> None:
    await require_router_support(ctx.driver).ensure_no_router(ctx.args.router_id)


async def _save_created(tx: Tx, ctx: TaskContext[RouterTaskArgs]) -> CreatedResources:
    await save_router_active(tx, ctx.args.router_id, ctx.now())
    return created_resources_by_kind(routers=[ctx.args.router_id])


async def _remove_records(tx: Tx, ctx: TaskContext[RouterTaskArgs]) -> None:
    await remove_router_records(tx, ctx.args.router_id)


async def _apply_update(ctx: TaskContext[UpdateRouterArgs]) -> None:
    router, interfaces = await _load_router(ctx, ctx.args.router_id)
    await _apply(ctx, router.patched(ctx.args.patch), interfaces, removed=ctx.args.old)


async def _revert_update(ctx: TaskContext[UpdateRouterArgs]) -> None:
    router, interfaces = await _load_router(ctx, ctx.args.router_id)
    await _apply(ctx, router, interfaces, removed=ctx.args.new)


async def _apply(
    ctx: TaskContext[UpdateRouterArgs],
    router: Router,
    interfaces: Sequence[RouterInterface],
    *,
    removed: Collection[str],
) -> None:
    """Send the router with all its interfaces to the driver, except for those that are removed."""
    internal = internal_interfaces(interfaces)
    kept = [interface for interface in internal if interface.port.id not in removed]
    await _send_router(ctx.driver, router, interfaces, kept)
    await remove_interfaces(ctx, (interface for interface in internal if interface.port.id in removed))


async def _save_updated(tx: Tx, ctx: TaskContext[UpdateRouterArgs]) -> None:
    router = await routers.TABLE.lock(tx, ctx.args.router_id)
    await _check_no_floating_ip_loses_router(tx, router, ctx.args)
    for port_id in ctx.args.old:
        await router_interfaces.remove(tx, port_id)
    after = router.patched(ctx.args.patch)
    interfaces = await router_interfaces.list_by_router(tx, router.id)
    own_addresses = {address.ip for interface in interfaces for address in interface.addresses}
    check_next_hops_in_subnets(
        after.routes, await router_interfaces.list_subnets_of_interfaces(tx, interfaces), own_addresses
    )
    await routers.save(tx, router, after.activated(ctx.now()))


async def _check_no_floating_ip_loses_router(tx: Tx, router: Router, args: UpdateRouterArgs) -> None:
    """Raise Conflict if a floating IP was assigned during the task through what the update removes."""
    if "external_network_id" in args.patch:
        await check_no_floating_ip_uses_router(tx, router)
    for interface in internal_interfaces(await router_interfaces.list_by_router(tx, router.id)):
        if interface.port.id in args.old:
            for address in interface.addresses:
                await check_no_floating_ip_uses_router(tx, router, address.subnet_id)


async def _remove_new_interfaces(tx: Tx, ctx: TaskContext[UpdateRouterArgs]) -> None:
    for port_id in ctx.args.new:
        await router_interfaces.remove(tx, port_id)
    await unlock_router(tx, ctx.args.router_id)


async def _unlock(tx: Tx, ctx: TaskContext[RouterTaskArgs]) -> None:
    await unlock_router(tx, ctx.args.router_id)


OPERATIONS = (
    Operation(
        CREATE_ROUTER,
        steps=(Step("create the router", _create_router, undo=_destroy_router),),
        done=_save_created,
        failed=_remove_records,
    ),
    Operation(
        UPDATE_ROUTER,
        steps=(Step("update the router", _apply_update, undo=_revert_update),),
        done=_save_updated,
        failed=_remove_new_interfaces,
    ),
    Operation(
        DELETE_ROUTER,
        steps=(Step("delete the router", _destroy_router, undo=_create_router),),
        done=_remove_records,
        failed=_unlock,
    ),
)
