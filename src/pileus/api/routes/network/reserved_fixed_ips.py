"""Routes of reserved fixed IPs."""

from litestar import delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import to_builtins

from pileus.api.authorization import READ, WRITE
from pileus.api.context import Ctx
from pileus.api.paging import Limit, Offset
from pileus.api.routes.network.reserved_fixed_ip_views import build_reserved_fixed_ip_views, read_reserved_fixed_ip_view
from pileus.api.wire.network.reserved_fixed_ip_requests import (
    ConvertReservedFixedIPToFloatingIP,
    CreateReservedFixedIP,
    UpdateReservedFixedIP,
)
from pileus.api.wire.network.reserved_fixed_ips import ReservedFixedIPView, ReservedOrder
from pileus.api.wire.paging import Page
from pileus.api.wire.tasks import TaskIds
from pileus.domain.network.reserved_fixed_ips import ReservedFixedIPFilter, filter_and_sort
from pileus.services.network import reserved_fixed_ips as reserved_fixed_ip_service
from pileus.store.account import projects
from pileus.store.network import reserved_fixed_ips

ALL = "/cloud/v1/reserved_fixed_ips/{project_id:int}/{region_id:int}"
ONE = f"{ALL}/{{port_id:str}}"


@get(ALL, opt=READ, tags=["Reserved IPs"])
async def list_reserved_fixed_ips(
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
    """List reserved fixed IPs. `ip_address` matches a part of the address, `device_id` an instance that uses it."""
    reserved_filter = ReservedFixedIPFilter(
        available_only=available_only, device_id=device_id, external_only=external_only, internal_only=internal_only,
        ip_address=ip_address, vip_only=vip_only,
    )  # fmt: skip
    ctx.require_region()
    async with ctx.db.scan() as tx:
        place = await projects.require_existing(tx, ctx.place)
        records = filter_and_sort(await reserved_fixed_ips.list_all(tx, place), reserved_filter, order_by)
        return Page(
            count=len(records), results=await build_reserved_fixed_ip_views(tx, ctx, records[offset : offset + limit])
        )


@post(ALL, opt=WRITE, status_code=200, tags=["Reserved IPs"])
async def create_reserved_fixed_ip(ctx: Ctx, data: JSONBody[CreateReservedFixedIP]) -> TaskIds:
    """Reserve a fixed IP without an instance.

    Reserve a public address (`external`), an address of a `subnet` or of a network (`any_subnet`), the address
    `ip_address` of a network, or the addresses of an instance's `port`, which remain reserved when the instance is
    deleted. A virtual IP (`is_vip`) can be shared by several instances. The task returns the id of the port, which
    identifies the reserved fixed IP.
    """
    return await ctx.submit_task(
        lambda tx, task_id: reserved_fixed_ip_service.create_reserved_fixed_ip(
            tx, ctx, data.to_new_reserved_fixed_ip(), task_id, audit_data=to_builtins(data)
        )
    )


@get(ONE, opt=READ, tags=["Reserved IPs"])
async def get_reserved_fixed_ip(ctx: Ctx, port_id: FromPath[str]) -> ReservedFixedIPView:
    """Get a reserved fixed IP with the instances that use it."""
    return await read_reserved_fixed_ip_view(ctx, port_id)


@patch(ONE, opt=WRITE, tags=["Reserved IPs"])
async def update_reserved_fixed_ip(
    ctx: Ctx, port_id: FromPath[str], data: JSONBody[UpdateReservedFixedIP]
) -> ReservedFixedIPView:
    """Make a reserved fixed IP a virtual IP, or a plain one again. While an instance uses it, the answer is 409."""
    await ctx.write(lambda tx: reserved_fixed_ip_service.update_reserved_fixed_ip(tx, ctx, port_id, is_vip=data.is_vip))
    return await read_reserved_fixed_ip_view(ctx, port_id)


@post(f"{ONE}/convert", opt=WRITE, status_code=200, tags=["Reserved IPs"])
async def convert_reserved_fixed_ip(
    ctx: Ctx, port_id: FromPath[str], data: JSONBody[ConvertReservedFixedIPToFloatingIP]
) -> TaskIds:
    """Convert a reserved public IPv4 address that no instance uses to a floating IP."""
    return await ctx.submit_task(
        lambda tx, task_id: reserved_fixed_ip_service.convert_to_floating_ip(
            tx, ctx, port_id, task_id, audit_data=to_builtins(data)
        )
    )


@delete(ONE, opt=WRITE, status_code=200, tags=["Reserved IPs"])
async def delete_reserved_fixed_ip(ctx: Ctx, port_id: FromPath[str]) -> TaskIds:
    """Release a reserved fixed IP. The answer is 409 while an instance uses it, and 400 if it is a virtual IP.

    Its floating IPs are unassigned, and its DDoS profiles are deleted.
    """
    return await ctx.submit_task(
        lambda tx, task_id: reserved_fixed_ip_service.delete_reserved_fixed_ip(tx, ctx, port_id, task_id)
    )


ROUTES = [
    list_reserved_fixed_ips, create_reserved_fixed_ip, get_reserved_fixed_ip, update_reserved_fixed_ip,
    convert_reserved_fixed_ip, delete_reserved_fixed_ip,
]  # fmt: skip
