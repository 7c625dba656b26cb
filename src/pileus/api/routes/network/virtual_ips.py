"""Virtual IPs: the instances that share one, and those that could."""

from collections.abc import Sequence

from litestar import get, patch, put
from litestar.params import FromPath, JSONBody
from msgspec import to_builtins

from pileus.api.auth import READ, WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.routes.network.reserved_fixed_ip_views import show_devices
from pileus.api.wire.network.reserved_fixed_ips import DevicePorts, DeviceView
from pileus.api.wire.paging import Page
from pileus.domain.network.ports import Port
from pileus.domain.network.reserved_fixed_ips import ReservedFixedIP, candidates, changes, checked_vip, connected
from pileus.services.network.ports import set_allowed_address_pairs
from pileus.store.database import Tx
from pileus.store.network import ports, reserved_fixed_ips

ONE = "/cloud/v1/reserved_fixed_ips/{project_id:int}/{region_id:int}/{port_id:str}"


@get(f"{ONE}/available_devices", opt=READ, tags=["Reserved IPs"])
async def list_available_devices(ctx: Ctx, port_id: FromPath[str]) -> Page[DeviceView]:
    """List the instances' ports that could share a virtual IP: those in its network that do not yet."""
    async with ctx.db.scan() as tx:
        vip = await reserved_fixed_ips.get(tx, ctx.place, port_id)
        near = await reserved_fixed_ips.neighbours(tx, ctx.place, vip.network.id)
        return await _page(tx, ctx, vip, candidates(vip, near))


@get(f"{ONE}/connected_devices", opt=READ, tags=["Reserved IPs"])
async def list_connected_devices(ctx: Ctx, port_id: FromPath[str]) -> Page[DeviceView]:
    """List the instances' ports that share a virtual IP."""
    async with ctx.db.scan() as tx:
        vip = await reserved_fixed_ips.get(tx, ctx.place, port_id)
        return await _page(tx, ctx, vip, await _connected(tx, ctx, vip))


@put(f"{ONE}/connected_devices", opt=WRITE, tags=["Reserved IPs"])
async def replace_connected_devices(ctx: Ctx, port_id: FromPath[str], data: JSONBody[DevicePorts]) -> Page[DeviceView]:
    """Let these ports share a virtual IP, and no others: they may speak as its address, besides their own.

    The answer comes when the ports' instances have been told, or after 25 seconds.
    """
    return await _connect(ctx, port_id, data, keep=False)


@patch(f"{ONE}/connected_devices", opt=WRITE, tags=["Reserved IPs"])
async def add_connected_devices(ctx: Ctx, port_id: FromPath[str], data: JSONBody[DevicePorts]) -> Page[DeviceView]:
    """Let these ports share a virtual IP, too: they may speak as its address, besides their own.

    The answer comes when the ports' instances have been told, or after 25 seconds.
    """
    return await _connect(ctx, port_id, data, keep=True)


async def _connect(ctx: RequestContext, port_id: str, data: DevicePorts, *, keep: bool) -> Page[DeviceView]:
    async def write(tx: Tx) -> list[str]:
        vip = checked_vip(await reserved_fixed_ips.get(tx, ctx.place, port_id))
        wanted = [await ports.get(tx, ctx.place, each) for each in dict.fromkeys(data.port_ids)]
        started = []
        for port, pairs in changes(vip, await _connected(tx, ctx, vip), wanted, keep=keep):
            started.append(ctx.new_id())
            await set_allowed_address_pairs(tx, ctx, port, pairs, started[-1], {"vip_port_id": port_id})
        await ports.save(tx, vip.port, vip.with_vip(ctx.now(), is_vip=True))
        await ctx.audit(tx, "vip_ip_addresses", "update", port_id, data=to_builtins(data), name=vip.port.name)
        return started

    for task_id in await ctx.db.write(write):
        await ctx.wait_for_task(task_id)
    async with ctx.db.read() as tx:
        vip = await reserved_fixed_ips.get(tx, ctx.place, port_id)
        return await _page(tx, ctx, vip, await _connected(tx, ctx, vip))


async def _connected(tx: Tx, ctx: RequestContext, vip: ReservedFixedIP) -> list[Port]:
    near = await reserved_fixed_ips.neighbours(tx, ctx.place, vip.network.id)
    return [port for port in near if connected(vip, port)]


async def _page(tx: Tx, ctx: RequestContext, vip: ReservedFixedIP, found: Sequence[Port]) -> Page[DeviceView]:
    results = await show_devices(tx, ctx, vip, found)
    return Page(count=len(results), results=results)


ROUTES = [list_available_devices, list_connected_devices, replace_connected_devices, add_connected_devices]
