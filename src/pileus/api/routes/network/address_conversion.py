"""Floating IPs and reserved fixed IPs: what they would cost, and turning one into the other."""

from litestar import post
from litestar.params import FromPath, JSONBody

from pileus.api.auth import READ, WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.wire.account.prices import ItemPrice
from pileus.api.wire.network.floating_ips import PriceFloatingIPs
from pileus.api.wire.network.reserved_fixed_ips import (
    ConvertFloatingIP,
    ConvertReservedFixedIP,
    CreateReservedFixedIP,
    ReserveExternal,
)
from pileus.api.wire.tasks import TaskIds
from pileus.domain.account import prices
from pileus.domain.account.prices import Price
from pileus.domain.errors import Conflict
from pileus.services.account.request_quotas import check_quotas
from pileus.store.account import projects
from pileus.store.database import Tx
from pileus.store.network import floating_ips, ports, reserved_fixed_ips

PLACE = "{project_id:int}/{region_id:int}"
FLOATING_IP = f"/cloud/v1/floatingips/{PLACE}/{{floating_ip_id:str}}"
RESERVED = f"/cloud/v1/reserved_fixed_ips/{PLACE}/{{port_id:str}}"


@post(f"/cloud/v1/pricing/{PLACE}/floating_ips", opt=READ, status_code=200, tags=["Floating IPs"])
async def preview_floating_ip_price(ctx: Ctx, data: JSONBody[PriceFloatingIPs]) -> ItemPrice:
    """Tell what floating IPs would cost, without making them."""
    return await _priced(ctx, prices.of_floating_ip(ctx.catalogue) * data.count)


@post(f"/cloud/v1/pricing/{PLACE}/reserved_fixed_ips", opt=READ, status_code=200, tags=["Reserved IPs"])
async def preview_reserved_fixed_ip_price(ctx: Ctx, data: JSONBody[CreateReservedFixedIP]) -> ItemPrice:
    """Tell what a reserved fixed IP would cost, without making it; private addresses cost nothing."""
    public = isinstance(data, ReserveExternal)
    return await _priced(ctx, prices.of_external_ip(ctx.catalogue) if public else Price())


@post(f"{FLOATING_IP}/convert", opt=WRITE, status_code=200, tags=["Floating IPs"])
async def convert_floating_ip(ctx: Ctx, floating_ip_id: FromPath[str], data: JSONBody[ConvertFloatingIP]) -> TaskIds:
    """Turn a floating IP that leads nowhere into a reserved fixed IP, which keeps its address but not its tags."""
    task_id, new_id = ctx.new_id(), ctx.new_id()

    async def write(tx: Tx) -> None:
        before = await floating_ips.get(tx, ctx.place, floating_ip_id)
        await floating_ips.save(tx, before, before.locked(task_id))
        if before.port_id is not None:
            raise Conflict(f"Floating IP {before.id} leads to port {before.port_id}: unassign it first")
        await check_quotas(tx, ctx, {"external_ip_count": 1})
        args = {"floating_ip_id": before.id, "new_id": new_id}
        await ctx.start_task(tx, "convert_floating_ip", task_id, args, data={"floating_ip_id": before.id})
        told = {"target_type": data.target_type}
        await ctx.audit(tx, "floating_ip", "update", before.id, data=told, task_id=task_id)

    await ctx.db.write(write)
    ctx.app.wake_engine()
    return TaskIds(tasks=[task_id])


@post(f"{RESERVED}/convert", opt=WRITE, status_code=200, tags=["Reserved IPs"])
async def convert_reserved_fixed_ip(
    ctx: Ctx, port_id: FromPath[str], data: JSONBody[ConvertReservedFixedIP]
) -> TaskIds:
    """Turn a reserved public IPv4 address that nothing uses into a floating IP."""
    task_id, new_id = ctx.new_id(), ctx.new_id()

    async def write(tx: Tx) -> None:
        before = (await reserved_fixed_ips.get(tx, ctx.place, port_id)).require_free
        if not before.network.external or before.address(4) is None or before.address(6) is not None:
            raise Conflict(f"Reserved fixed IP {port_id} is not a public IPv4 address alone")
        await ports.save(tx, before.port, before.port.locked(task_id))
        await check_quotas(tx, ctx, {"floating_count": 1})
        args = {"port_id": port_id, "new_id": new_id}
        await ctx.start_task(tx, "convert_reserved_fixed_ip", task_id, args, data={"port_id": port_id})
        told = {"target_type": data.target_type}
        await ctx.audit(tx, "reserved_fixed_ip", "update", port_id, data=told, task_id=task_id)

    await ctx.db.write(write)
    ctx.app.wake_engine()
    return TaskIds(tasks=[task_id])


async def _priced(ctx: RequestContext, price: Price) -> ItemPrice:
    ctx.region()
    async with ctx.db.read() as tx:
        await projects.require(tx, ctx.place)
    catalogue = ctx.catalogue
    return ItemPrice.of(price, catalogue)


ROUTES = [
    preview_floating_ip_price, preview_reserved_fixed_ip_price, convert_floating_ip, convert_reserved_fixed_ip,
]  # fmt: skip
