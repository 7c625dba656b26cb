"""Routers: list, make, look at, change and delete them, and attach subnets to them."""

from collections.abc import Sequence
from typing import Any

from litestar import delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import to_builtins
from msgspec.structs import replace

from pileus.api.auth import READ, WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.paging import Limit, Offset
from pileus.api.routes.network.network_views import show_router, show_routers
from pileus.api.wire.network.routers import (
    AttachSubnet,
    CreateRouter,
    DetachSubnet,
    RouterView,
    UpdateRouter,
    UpdateRouterAndWait,
)
from pileus.api.wire.paging import Page
from pileus.api.wire.tasks import TaskIds
from pileus.domain.network.routers import Router, RouterPatch
from pileus.services.account.request_quotas import check_quotas
from pileus.services.network.router_interfaces import (
    add_router_interface,
    check_no_floating_ip_uses,
    check_routes_reachable,
    new_router,
    router_interface_to_detach,
    set_external_gateway,
)
from pileus.store.account import projects
from pileus.store.database import Tx
from pileus.store.network import networks, router_interfaces, routers, subnets

PLACE = "routers/{project_id:int}/{region_id:int}"
ALL = f"/cloud/v1/{PLACE}"
ONE = f"{ALL}/{{router_id:str}}"


@get(ALL, opt=READ, tags=["Routers"])
async def list_routers(
    ctx: Ctx, name: FromQuery[str | None] = None, limit: Limit = 1000, offset: Offset = 0
) -> Page[RouterView]:
    """List routers, the latest first; `name` asks for the whole name."""
    ctx.region()
    async with ctx.db.scan() as tx:
        place = await projects.require(tx, ctx.place)
        count, found = await routers.page(tx, place, name, limit=limit, offset=offset)
        return Page(count=count, results=await show_routers(tx, ctx, found))


@post(ALL, opt=WRITE, status_code=200, tags=["Routers"])
async def create_router(ctx: Ctx, data: JSONBody[CreateRouter]) -> TaskIds:
    """Make a router that joins subnets of the project's own, and leads out if it has `external_gateway_info`.

    A gateway of type `default` leads to the region's usual external network, one of type `manual` to the one named.
    The next hop of each route must be in a subnet that the router joins. A task that fails leaves nothing behind.
    """
    ctx.region()
    task_id, ways = ctx.new_id(), data.ways()

    async def write(tx: Tx) -> None:
        await projects.require_open(tx, ctx.place)
        await check_quotas(tx, ctx, {"router_count": 1})
        router = await _led_out(tx, ctx, replace(new_router(ctx, data.name, task_id), routes=ways), data)
        for interface in data.interfaces or ():
            await _attached(tx, ctx, router, interface.subnet_id)
        await check_routes_reachable(tx, router)
        told = {"name": router.name}
        args = {"router_id": router.id}
        await ctx.start_task(tx, "create_router", task_id, args, data={**args, **told})
        await ctx.audit(tx, "router", "create", router.id, data=to_builtins(data), task_id=task_id)

    await ctx.db.write(write)
    ctx.app.wake_engine()
    return TaskIds(tasks=[task_id])


@get(ONE, opt=READ, tags=["Routers"])
async def get_router(ctx: Ctx, router_id: FromPath[str]) -> RouterView:
    """Show a router with its way out, its interfaces and its routes."""
    async with ctx.db.read() as tx:
        return await show_router(tx, ctx, await routers.get(tx, ctx.place, router_id))


@patch(f"/cloud/v2/{PLACE}/{{router_id:str}}", opt=WRITE, status_code=200, tags=["Routers"])
async def update_router(ctx: Ctx, router_id: FromPath[str], data: JSONBody[UpdateRouter]) -> TaskIds:
    """Change a router in a task: what is absent stays. Where nothing would change there is no task.

    `routes` replace all that there were; an `external_gateway_info` of null takes the way out away, another network
    gives it a new address. While a task holds the router the answer is 409.
    """
    task_id = await _changed(ctx, router_id, data.patch())
    return TaskIds(tasks=[task_id] if task_id else [])


@patch(ONE, opt=WRITE, deprecated=True, tags=["Routers"])
async def update_router_and_wait(ctx: Ctx, router_id: FromPath[str], data: JSONBody[UpdateRouterAndWait]) -> RouterView:
    """Change a router and answer with it afterwards; what is absent or null stays. Use version 2 instead."""
    return await _after(ctx, router_id, await _changed(ctx, router_id, data.patch()))


@delete(ONE, opt=WRITE, status_code=200, tags=["Routers"])
async def delete_router(ctx: Ctx, router_id: FromPath[str]) -> TaskIds:
    """Delete a router; subnets that it joins stay. While a floating IP leads through it the answer is 409."""
    task_id = ctx.new_id()

    async def write(tx: Tx) -> None:
        before = await routers.get(tx, ctx.place, router_id)
        await routers.save(tx, before, before.locked(task_id))
        for subnet in await router_interfaces.subnets_of(tx, await router_interfaces.of(tx, router_id)):
            subnet.require_unlocked()
        await check_no_floating_ip_uses(tx, before)
        await ctx.start_task(tx, "delete_router", task_id, {"router_id": router_id})
        await ctx.audit(tx, "router", "delete", router_id, task_id=task_id, name=before.name)

    await ctx.db.write(write)
    ctx.app.wake_engine()
    return TaskIds(tasks=[task_id])


@post(f"{ONE}/attach", opt=WRITE, status_code=200, tags=["Routers"])
async def attach_subnet(ctx: Ctx, router_id: FromPath[str], data: JSONBody[AttachSubnet]) -> RouterView:
    """Let a router join a subnet: at the address of its gateway, if no other router has it, or at `ip_address`.

    The answer comes when that is done, or with the router as it stands after 25 seconds.
    """

    async def write(tx: Tx) -> str:
        before = (await routers.get(tx, ctx.place, router_id)).require_unlocked()
        port_id = await _attached(tx, ctx, before, data.subnet_id, data.ip_address)
        told = to_builtins(data)
        return await _started(tx, ctx, before, told, verb="attach", new=[port_id])

    return await _after(ctx, router_id, await ctx.db.write(write))


@post(f"{ONE}/detach", opt=WRITE, status_code=200, tags=["Routers"])
async def detach_subnet(ctx: Ctx, router_id: FromPath[str], data: JSONBody[DetachSubnet]) -> RouterView:
    """Let a router leave a subnet; while a route or a floating IP leads through there the answer is 409.

    The answer comes when that is done, or with the router as it stands after 25 seconds.
    """

    async def write(tx: Tx) -> str:
        before = (await routers.get(tx, ctx.place, router_id)).require_unlocked()
        subnet = (await subnets.get(tx, ctx.place, data.subnet_id)).require_unlocked()
        leg = await router_interface_to_detach(tx, before, subnet)
        return await _started(tx, ctx, before, to_builtins(data), verb="detach", old=[leg.port.id])

    return await _after(ctx, router_id, await ctx.db.write(write))


async def _led_out(tx: Tx, ctx: RequestContext, router: Router, data: CreateRouter) -> Router:
    """Write a new router, with its way out if it is to have one."""
    gateway = data.external_gateway_info
    if gateway is None:
        return await routers.add(tx, router)
    outside = gateway.network(ctx.catalogue.external_network_id(ctx.place.region_id))
    await networks.get(tx, ctx.place, outside)
    leading = replace(router, external_network_id=outside, enable_snat=gateway.enable_snat)
    await routers.add(tx, leading)
    await set_external_gateway(tx, ctx, leading, outside)
    return leading


async def _attached(tx: Tx, ctx: RequestContext, router: Router, subnet_id: str, ip_address: str | None = None) -> str:
    """Write a router's port in a subnet of the project's own; its id."""
    subnet = await subnets.bump_revision(tx, (await subnets.get_own(tx, ctx.place, subnet_id)).require_unlocked())
    return (await add_router_interface(tx, ctx, router, subnet, ip_address)).id


async def _changed(ctx: RequestContext, router_id: str, change: RouterPatch) -> str | None:
    """Write down the task that changes a router; its id, or None where nothing would change."""

    async def write(tx: Tx) -> str | None:
        before = (await routers.get(tx, ctx.place, router_id)).require_unlocked()
        kept = before.changes(change)
        if not kept:
            return None
        new, old = await _redirected(tx, ctx, before, kept)
        await check_routes_reachable(tx, before.patched(kept), but=old)
        return await _started(tx, ctx, before, to_builtins(kept), patch=kept, new=new, old=old)

    started = await ctx.db.write(write)
    ctx.app.wake_engine()
    return started


async def _redirected(tx: Tx, ctx: RequestContext, router: Router, change: RouterPatch) -> tuple[list[str], list[str]]:
    """Write the port that a new way out needs: its id, and that of the one that goes, if any."""
    if "external_network_id" not in change:
        return [], []
    await check_no_floating_ip_uses(tx, router)
    old = [leg.port.id for leg in await router_interfaces.of(tx, router.id) if leg.port.gateway]
    network_id = change["external_network_id"]
    return [(await set_external_gateway(tx, ctx, router, network_id)).id] if network_id else [], old


async def _started(  # each is a fact of its own
    tx: Tx,
    ctx: RequestContext,
    router: Router,
    told: dict[str, Any],
    *,
    verb: str = "update",
    patch: RouterPatch | None = None,
    new: Sequence[str] = (),
    old: Sequence[str] = (),
) -> str:
    """Lock a router and write down the task that works on it; its id."""
    task_id = ctx.new_id()
    await routers.save(tx, router, router.locked(task_id))
    args = {"router_id": router.id, "patch": to_builtins(patch or {}), "new": list(new), "old": list(old)}
    await ctx.start_task(tx, "update_router", task_id, args, data={"router_id": router.id, **told})
    await ctx.audit(tx, "router", verb, router.id, data=told, task_id=task_id, name=router.name)
    return task_id


async def _after(ctx: RequestContext, router_id: str, task_id: str | None) -> RouterView:
    """The router when a task has ended, or as it stands when that takes too long."""
    await ctx.wait_for_task(task_id)
    async with ctx.db.read() as tx:
        return await show_router(tx, ctx, await routers.get(tx, ctx.place, router_id))


ROUTES = [
    list_routers, create_router, get_router, update_router, update_router_and_wait, delete_router, attach_subnet,
    detach_subnet,
]  # fmt: skip
