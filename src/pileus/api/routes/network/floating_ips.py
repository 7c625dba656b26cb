"""Floating IPs: list, make, look at, move and delete them."""

from litestar import delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import to_builtins

from pileus.api.auth import READ, WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.paging import Limit, Offset
from pileus.api.routes.metadata import TaggedResource, metadata_routes
from pileus.api.routes.network.floating_ip_views import show_each, show_floating_ip, show_listed
from pileus.api.wire.network.floating_ips import (
    AssignFloatingIP,
    CreateFloatingIP,
    FloatingIPView,
    ListedFloatingIP,
    Status,
    UpdateFloatingIP,
    UpdateFloatingIPTags,
)
from pileus.api.wire.paging import Page
from pileus.api.wire.tags import parse_tag_filter
from pileus.api.wire.tasks import TaskIds
from pileus.domain.network.floating_ips import FloatingIP, FloatingIPPatch, Target
from pileus.domain.tags import make_tags, merged, validate_tags
from pileus.services.account.request_quotas import check_quotas
from pileus.services.network.ddos_profiles import lock_profiles_of_floating_ips
from pileus.services.network.floating_ips import allocate_floating_ip, resolve_target
from pileus.store import tags
from pileus.store.account import projects
from pileus.store.database import Tx
from pileus.store.network import floating_ips

PLACE = "floatingips/{project_id:int}/{region_id:int}"
ALL = f"/cloud/v1/{PLACE}"
ONE = f"{ALL}/{{floating_ip_id:str}}"
NOUN = TaggedResource(
    path=ONE,
    parameter="floating_ip_id",
    tag="Floating IPs",
    name="Floating IP",
    kind=floating_ips.KIND,
    group="floating_ip",
    get=floating_ips.get,
)


@get(ALL, opt=READ, tags=["Floating IPs"])
async def list_floating_ips(  # each is a parameter of the operation
    ctx: Ctx,
    port_ids: FromQuery[list[str] | None] = None,
    status: FromQuery[Status | None] = None,
    tag_key: FromQuery[list[str] | None] = None,
    tag_key_value: FromQuery[str | None] = None,
    limit: Limit = 1000,
    offset: Offset = 0,
) -> Page[ListedFloatingIP]:
    """List floating IPs with the instances that they lead to, the oldest first.

    `tag_key` and `tag_key_value` (a map as JSON) ask for all of their tags. There are no load balancers here.
    """
    wanted = floating_ips.FloatingIPFilter(
        port_ids=port_ids, status=status, tag_keys=tag_key, tag_pairs=parse_tag_filter(tag_key_value)
    )
    ctx.region()
    async with ctx.db.scan() as tx:
        place = await projects.require(tx, ctx.place)
        count, found = await floating_ips.page(tx, place, wanted, limit=limit, offset=offset)
        return Page(count=count, results=await show_listed(tx, ctx, found))


@get(
    "/cloud/v1/availablefloatingips/{project_id:int}/{region_id:int}", opt=READ, deprecated=True, tags=["Floating IPs"]
)
async def list_available_floating_ips(ctx: Ctx) -> Page[FloatingIPView]:
    """List the floating IPs that lead nowhere. Use the list with `status=DOWN` instead."""
    ctx.region()
    async with ctx.db.scan() as tx:
        place = await projects.require(tx, ctx.place)
        wanted = floating_ips.FloatingIPFilter(free=True)
        count, found = await floating_ips.page(tx, place, wanted, limit=1000, offset=0)
        return Page(count=count, results=await show_each(tx, ctx, found))


@post(ALL, opt=WRITE, status_code=200, tags=["Floating IPs"])
async def create_floating_ip(ctx: Ctx, data: JSONBody[CreateFloatingIP]) -> TaskIds:
    """Make a floating IP, and let it lead to a port: to its first IPv4 address, or to `fixed_ip_address`.

    A task that fails leaves nothing behind.
    """
    ctx.region()
    task_id, its = ctx.new_id(), make_tags(validate_tags(data.tags or data.metadata or {}).items())

    async def write(tx: Tx) -> None:
        await projects.require_open(tx, ctx.place)
        await check_quotas(tx, ctx, {"floating_count": 1})
        target = await resolve_target(tx, ctx.place, data.port_id, data.fixed_ip_address)
        fresh = await allocate_floating_ip(tx, ctx, task_id, target)
        await tags.add(tx, floating_ips.KIND, ctx.place, fresh.id, its)
        args, told = {"floating_ip_id": fresh.id}, to_builtins(data)
        await ctx.start_task(tx, "create_fip", task_id, args, data={**args, **told})
        await ctx.audit(tx, "floating_ip", "create", fresh.id, data=told, task_id=task_id)

    await ctx.db.write(write)
    ctx.app.wake_engine()
    return TaskIds(tasks=[task_id])


@get(ONE, opt=READ, tags=["Floating IPs"])
async def get_floating_ip(ctx: Ctx, floating_ip_id: FromPath[str]) -> FloatingIPView:
    """Show a floating IP, and where it leads."""
    return await _shown(ctx, floating_ip_id)


@patch(f"/cloud/v2/{PLACE}/{{floating_ip_id:str}}", opt=WRITE, status_code=200, tags=["Floating IPs"])
async def update_floating_ip(ctx: Ctx, floating_ip_id: FromPath[str], data: JSONBody[UpdateFloatingIP]) -> TaskIds:
    """Let a floating IP lead to another port, or with `"port_id": null` nowhere, and change its tags, in a task.

    A port alone means its first IPv4 address. Tags are a JSON merge patch (RFC 7386). Where nothing would change there
    is no task.
    """
    task_id = await _changed(ctx, floating_ip_id, data.patch(), "update")
    return TaskIds(tasks=[task_id] if task_id else [])


@patch(ONE, opt=WRITE, deprecated=True, tags=["Floating IPs"])
async def update_floating_ip_tags(
    ctx: Ctx, floating_ip_id: FromPath[str], data: JSONBody[UpdateFloatingIPTags]
) -> FloatingIPView:
    """Change tags, by JSON merge patch (RFC 7386). Use version 2 instead."""

    async def write(tx: Tx) -> FloatingIPView:
        before = (await floating_ips.get(tx, ctx.place, floating_ip_id)).require_unlocked()
        change = data.patch()
        if "tags" in change:
            await tags.patch(tx, floating_ips.KIND, ctx.place, before.id, change["tags"])
        await ctx.audit(tx, "floating_ip", "update", before.id, data=to_builtins(change))
        return await show_floating_ip(tx, ctx, before)

    return await ctx.db.write(write)


@post(f"{ONE}/assign", opt=WRITE, status_code=200, deprecated=True, tags=["Floating IPs"])
async def assign_floating_ip(
    ctx: Ctx, floating_ip_id: FromPath[str], data: JSONBody[AssignFloatingIP]
) -> FloatingIPView:
    """Let a floating IP lead to a port; the answer comes when it does, or after 25 seconds. Use PATCH instead."""
    change = FloatingIPPatch(port_id=data.port_id, fixed_ip_address=data.fixed_ip_address)
    return await _after(ctx, floating_ip_id, await _changed(ctx, floating_ip_id, change, "attach"))


@post(f"{ONE}/unassign", opt=WRITE, status_code=200, deprecated=True, tags=["Floating IPs"])
async def unassign_floating_ip(ctx: Ctx, floating_ip_id: FromPath[str]) -> FloatingIPView:
    """Let a floating IP lead nowhere; the answer comes when it does, or after 25 seconds. Use PATCH instead."""
    change = FloatingIPPatch(port_id=None)
    return await _after(ctx, floating_ip_id, await _changed(ctx, floating_ip_id, change, "detach"))


@delete(ONE, opt=WRITE, status_code=200, tags=["Floating IPs"])
async def delete_floating_ip(ctx: Ctx, floating_ip_id: FromPath[str]) -> TaskIds:
    """Delete a floating IP, though it leads somewhere; its address is free again, protection goes with it."""
    task_id = ctx.new_id()

    async def write(tx: Tx) -> None:
        before = await floating_ips.get(tx, ctx.place, floating_ip_id)
        held = await floating_ips.save(tx, before, before.locked(task_id))
        profiles = await lock_profiles_of_floating_ips(tx, [held], task_id)
        told = {"floating_ip_id": held.id, "floating_ip_address": held.floating_ip_address}
        await ctx.start_task(tx, "delete_fip", task_id, {"floating_ip_id": held.id, "profiles": profiles}, data=told)
        await ctx.audit(tx, "floating_ip", "delete", held.id, data=told, task_id=task_id)

    await ctx.db.write(write)
    ctx.app.wake_engine()
    return TaskIds(tasks=[task_id])


async def _changed(ctx: RequestContext, floating_ip_id: str, change: FloatingIPPatch, verb: str) -> str | None:
    """Lock a floating IP and write down the task that changes it; its id, or None where nothing would change."""
    task_id, told = ctx.new_id(), to_builtins(change)

    async def write(tx: Tx) -> str | None:
        before = (await floating_ips.get(tx, ctx.place, floating_ip_id)).require_unlocked()
        target, new_tags = await _aimed(tx, ctx, before, change), await _retagged(tx, before, change)
        if target is None and not new_tags:
            return None
        await floating_ips.save(tx, before, before.locked(task_id))
        args = {"floating_ip_id": before.id, "target": to_builtins(target)}
        args |= {"tags": told["tags"]} if new_tags else {}
        await ctx.start_task(tx, "update_floating_ip", task_id, args, data={"floating_ip_id": before.id, **told})
        await ctx.audit(tx, "floating_ip", verb, before.id, data=told, task_id=task_id)
        return task_id

    started = await ctx.db.write(write)
    ctx.app.wake_engine()
    return started


async def _aimed(tx: Tx, ctx: RequestContext, before: FloatingIP, change: FloatingIPPatch) -> Target | None:
    """Where a patch lets it lead, or None where that is where it leads already."""
    if "port_id" not in change and "fixed_ip_address" not in change:
        return None
    port_id, fixed = change.get("port_id", before.port_id), change.get("fixed_ip_address")
    if port_id == before.port_id and fixed in (None, before.fixed_ip_address):
        return None
    if port_id is None and before.port_id is None:
        return None
    return await resolve_target(tx, ctx.place, port_id, fixed)


async def _retagged(tx: Tx, before: FloatingIP, change: FloatingIPPatch) -> bool:
    """Whether a patch changes tags."""
    old = await tags.of(tx, before.id)
    return "tags" in change and merged(old, change["tags"]) != old


async def _after(ctx: RequestContext, floating_ip_id: str, task_id: str | None) -> FloatingIPView:
    """The floating IP when a task has ended, or as it stands when that takes too long."""
    await ctx.wait_for_task(task_id)
    return await _shown(ctx, floating_ip_id)


async def _shown(ctx: RequestContext, floating_ip_id: str) -> FloatingIPView:
    async with ctx.db.read() as tx:
        return await show_floating_ip(tx, ctx, await floating_ips.get(tx, ctx.place, floating_ip_id))


ROUTES = [
    list_floating_ips, list_available_floating_ips, create_floating_ip, get_floating_ip, update_floating_ip,
    update_floating_ip_tags, assign_floating_ip, unassign_floating_ip, delete_floating_ip, *metadata_routes(NOUN),
]  # fmt: skip
