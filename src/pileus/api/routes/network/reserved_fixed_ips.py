"""Reserved fixed IPs: list, make, look at, share and delete them."""

from litestar import delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import to_builtins

from pileus.api.auth import READ, WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.paging import Limit, Offset
from pileus.api.routes.network.reserved_fixed_ip_views import show_reserved
from pileus.api.wire.network.reserved_fixed_ips import (
    CreateReservedFixedIP,
    NewAddress,
    ReservedFixedIPView,
    ReservedOrder,
    ReservePort,
    UpdateReservedFixedIP,
)
from pileus.api.wire.paging import Page
from pileus.api.wire.tasks import TaskIds
from pileus.domain.compute.instance_orders import InterfaceType
from pileus.domain.errors import Conflict
from pileus.domain.network.ports import Port
from pileus.domain.network.reserved_fixed_ips import ReservedFixedIPFilter, filter_and_sort
from pileus.services.account.request_quotas import check_quotas
from pileus.services.network.ddos_profiles import lock_profiles_of_ports
from pileus.services.network.interfaces import InterfaceContext, reserve_fixed_ip
from pileus.store.account import projects
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.network import floating_ips, ports, reserved_fixed_ips

ALL = "/cloud/v1/reserved_fixed_ips/{project_id:int}/{region_id:int}"
ONE = f"{ALL}/{{port_id:str}}"


@get(ALL, opt=READ, tags=["Reserved IPs"])
async def list_reserved_fixed_ips(  # each is a parameter of the operation
    ctx: Ctx,
    available_only: FromQuery[bool] = False,
    device_id: FromQuery[str | None] = None,
    external_only: FromQuery[bool] = False,
    internal_only: FromQuery[bool] = False,
    ip_address: FromQuery[str | None] = None,
    vip_only: FromQuery[bool] = False,
    order_by: FromQuery[ReservedOrder] = "fixed_ip_address.asc",
    limit: Limit = 1000,
    offset: Offset = 0,
) -> Page[ReservedFixedIPView]:
    """List reserved fixed IPs; `ip_address` is a part of one, `device_id` an instance that uses it."""
    wanted = ReservedFixedIPFilter(
        available_only=available_only, device_id=device_id, external_only=external_only, internal_only=internal_only,
        ip_address=ip_address, vip_only=vip_only,
    )  # fmt: skip
    ctx.region()
    async with ctx.db.scan() as tx:
        place = await projects.require(tx, ctx.place)
        found = filter_and_sort(await reserved_fixed_ips.every(tx, place), wanted, order_by)
        return Page(count=len(found), results=await show_reserved(tx, ctx, found[offset : offset + limit]))


@post(ALL, opt=WRITE, status_code=200, tags=["Reserved IPs"])
async def create_reserved_fixed_ip(ctx: Ctx, data: JSONBody[CreateReservedFixedIP]) -> TaskIds:
    """Keep an address without an instance.

    It is a public one (`external`), one of a `subnet` or of a network (`any_subnet`), one by name (`ip_address`), or
    those of an instance's `port`, which are kept then when the instance goes. A virtual IP (`is_vip`) can be shared by
    several instances. The task tells the port, which is its id from then on.
    """
    ctx.region()
    task_id = ctx.new_id()

    async def write(tx: Tx) -> None:
        await projects.require_open(tx, ctx.place)
        made = not isinstance(data, ReservePort)
        port = await _reserved(tx, ctx, data, task_id)
        told = to_builtins(data)
        args = {"port_id": port.id, "made": made}
        await ctx.start_task(tx, "create_reserved_fixed_ip", task_id, args, data={"port_id": port.id, **told})
        await ctx.audit(tx, "reserved_fixed_ip", "create", port.id, data=told, task_id=task_id)

    await ctx.db.write(write)
    ctx.app.wake_engine()
    return TaskIds(tasks=[task_id])


@get(ONE, opt=READ, tags=["Reserved IPs"])
async def get_reserved_fixed_ip(ctx: Ctx, port_id: FromPath[str]) -> ReservedFixedIPView:
    """Show a reserved fixed IP, and what uses it."""
    async with ctx.db.read() as tx:
        return await _shown(tx, ctx, port_id)


@patch(ONE, opt=WRITE, tags=["Reserved IPs"])
async def update_reserved_fixed_ip(
    ctx: Ctx, port_id: FromPath[str], data: JSONBody[UpdateReservedFixedIP]
) -> ReservedFixedIPView:
    """Make a reserved fixed IP a virtual one, or a plain one again; while an instance uses it the answer is 409."""

    async def write(tx: Tx) -> ReservedFixedIPView:
        before = await reserved_fixed_ips.get(tx, ctx.place, port_id)
        await ports.save(tx, before.port, before.with_vip(ctx.now(), is_vip=data.is_vip))
        await ctx.audit(tx, "reserved_fixed_ip", "update", port_id, data=to_builtins(data), name=before.port.name)
        return await _shown(tx, ctx, port_id)

    return await ctx.db.write(write)


@delete(ONE, opt=WRITE, status_code=200, tags=["Reserved IPs"])
async def delete_reserved_fixed_ip(ctx: Ctx, port_id: FromPath[str]) -> TaskIds:
    """Free a reserved fixed IP; while an instance uses it, or it is a virtual one, the answer is 409.

    Floating IPs that lead to it lead nowhere afterwards; protection of the address goes with it.
    """
    task_id = ctx.new_id()

    async def write(tx: Tx) -> None:
        port = (await reserved_fixed_ips.get(tx, ctx.place, port_id)).require_free.port
        await ports.save(tx, port, port.locked(task_id))
        for floating_ip in await floating_ips.of_port(tx, port_id):
            await floating_ips.save(tx, floating_ip, floating_ip.locked(task_id))
        args = {"port_id": port_id, "profiles": await lock_profiles_of_ports(tx, [port], task_id)}
        await ctx.start_task(tx, "delete_reserved_fixed_ip", task_id, args, data={"port_id": port_id})
        await ctx.audit(tx, "reserved_fixed_ip", "delete", port_id, task_id=task_id, name=port.name)

    await ctx.db.write(write)
    ctx.app.wake_engine()
    return TaskIds(tasks=[task_id])


async def _reserved(tx: Tx, ctx: RequestContext, data: CreateReservedFixedIP, task_id: str) -> Port:
    if isinstance(data, ReservePort):
        return await _kept(tx, ctx, data, task_id)
    return await _made(tx, ctx, data, task_id)


async def _made(tx: Tx, ctx: RequestContext, data: NewAddress, task_id: str) -> Port:
    """Write a new port with its addresses, if the quotas allow it."""
    interface, _catalogue = data.interface(), ctx.catalogue
    asked = {"external_ip_count": int(interface.type == InterfaceType.EXTERNAL)}
    await check_quotas(tx, ctx, asked)
    plugging = InterfaceContext(ctx=ctx, task_id=task_id)
    return await reserve_fixed_ip(tx, plugging, interface, is_vip=data.is_vip)


async def _kept(tx: Tx, ctx: RequestContext, data: ReservePort, task_id: str) -> Port:
    """Keep the addresses of an instance's port; raises Conflict where they are kept already."""
    port = await ports.get(tx, ctx.place, data.port_id)
    if port.reserved:
        raise Conflict(f"Port {port.id} is a reserved fixed IP already")
    if port.instance_id is not None:
        (await instances.get(tx, ctx.place, port.instance_id)).require_unlocked()
    lines = await ports.addresses_of(tx, port.id)
    return await ports.save(tx, port, port.locked(task_id).as_reserved(line.ip for line in lines))


async def _shown(tx: Tx, ctx: RequestContext, port_id: str) -> ReservedFixedIPView:
    (view,) = await show_reserved(tx, ctx, [await reserved_fixed_ips.get(tx, ctx.place, port_id)])
    return view


ROUTES = [
    list_reserved_fixed_ips, create_reserved_fixed_ip, get_reserved_fixed_ip, update_reserved_fixed_ip,
    delete_reserved_fixed_ip,
]  # fmt: skip
