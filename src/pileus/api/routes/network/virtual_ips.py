"""Routes of virtual IPs: the instances' ports that are connected to one, and those that can be."""

from collections.abc import Sequence

from litestar import get, patch, put
from litestar.params import FromPath, JSONBody

from pileus.api.authorization import READ, WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.routes.network.reserved_fixed_ip_views import build_virtual_ip_device_views
from pileus.api.wire.network.reserved_fixed_ip_requests import ConnectedDevicePorts
from pileus.api.wire.network.reserved_fixed_ips import VirtualIPDeviceView
from pileus.api.wire.paging import Page
from pileus.domain.network.ports import Port
from pileus.domain.network.reserved_fixed_ips import ReservedFixedIP, is_connected_to_vip, ports_connectable_to_vip
from pileus.services.network import reserved_fixed_ips as reserved_fixed_ip_service
from pileus.store.database import Tx
from pileus.store.network import reserved_fixed_ips

ONE = "/cloud/v1/reserved_fixed_ips/{project_id:int}/{region_id:int}/{port_id:str}"


@get(f"{ONE}/available_devices", opt=READ, tags=["Reserved IPs"])
async def list_available_devices(ctx: Ctx, port_id: FromPath[str]) -> Page[VirtualIPDeviceView]:
    """List the instances' ports that can be connected to a virtual IP: those in its network that are not yet."""
    async with ctx.db.scan() as tx:
        vip = await reserved_fixed_ips.get(tx, ctx.place, port_id)
        neighbours = await reserved_fixed_ips.list_instance_ports(tx, ctx.place, vip.network.id)
        return await _show_page(tx, ctx, vip, ports_connectable_to_vip(vip, neighbours))


@get(f"{ONE}/connected_devices", opt=READ, tags=["Reserved IPs"])
async def list_connected_devices(ctx: Ctx, port_id: FromPath[str]) -> Page[VirtualIPDeviceView]:
    """List the instances' ports that are connected to a virtual IP."""
    async with ctx.db.scan() as tx:
        return await _show_connected_devices(tx, ctx, port_id)


@put(f"{ONE}/connected_devices", opt=WRITE, tags=["Reserved IPs"])
async def replace_connected_devices(
    ctx: Ctx, port_id: FromPath[str], data: JSONBody[ConnectedDevicePorts]
) -> Page[VirtualIPDeviceView]:
    """Connect these ports to a virtual IP, and disconnect all others.

    A connected port may send from the virtual IP besides its own addresses. It must have port security: else the
    answer is 409. Waits up to 25 seconds for each task.
    """
    return await _connect(ctx, port_id, data, keep_connected=False)


@patch(f"{ONE}/connected_devices", opt=WRITE, tags=["Reserved IPs"])
async def add_connected_devices(
    ctx: Ctx, port_id: FromPath[str], data: JSONBody[ConnectedDevicePorts]
) -> Page[VirtualIPDeviceView]:
    """Connect these ports to a virtual IP, besides those that are connected.

    A connected port may send from the virtual IP besides its own addresses. It must have port security: else the
    answer is 409. Waits up to 25 seconds for each task.
    """
    return await _connect(ctx, port_id, data, keep_connected=True)


async def _connect(
    ctx: RequestContext, port_id: str, data: ConnectedDevicePorts, *, keep_connected: bool
) -> Page[VirtualIPDeviceView]:
    tasks = await ctx.write(
        lambda tx: reserved_fixed_ip_service.connect_devices_to_vip(
            tx, ctx, port_id, data.port_ids, keep_connected=keep_connected
        )
    )
    for task in tasks:
        await ctx.wait_for_task(task.id)
    async with ctx.db.read() as tx:
        return await _show_connected_devices(tx, ctx, port_id)


async def _show_connected_devices(tx: Tx, ctx: RequestContext, port_id: str) -> Page[VirtualIPDeviceView]:
    vip = await reserved_fixed_ips.get(tx, ctx.place, port_id)
    neighbours = await reserved_fixed_ips.list_instance_ports(tx, ctx.place, vip.network.id)
    return await _show_page(tx, ctx, vip, [port for port in neighbours if is_connected_to_vip(vip, port)])


async def _show_page(
    tx: Tx, ctx: RequestContext, vip: ReservedFixedIP, ports: Sequence[Port]
) -> Page[VirtualIPDeviceView]:
    results = await build_virtual_ip_device_views(tx, ctx, vip, ports)
    return Page(count=len(results), results=results)


ROUTES = [list_available_devices, list_connected_devices, replace_connected_devices, add_connected_devices]
