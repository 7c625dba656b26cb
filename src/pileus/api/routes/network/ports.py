"""Ports: as what else they may speak, and whether they are kept from speaking as others."""

from litestar import post, put
from litestar.params import FromPath, JSONBody
from msgspec import to_builtins

from pileus.api.auth import WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.routes.network.interface_views import interface
from pileus.api.wire.network.ports import AllowAddressPairs, InterfaceView
from pileus.api.wire.tasks import TaskIds
from pileus.domain.errors import Conflict
from pileus.domain.network.ports import Port
from pileus.services.network.ports import set_allowed_address_pairs
from pileus.services.network.security_groups import start_port_refresh
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.network import networks, ports, security_groups

PORT = "{project_id:int}/{region_id:int}/{port_id:str}"


@put(f"/cloud/v2/ports/{PORT}/allow_address_pairs", opt=WRITE, status_code=200, deprecated=True, tags=["Instances"])
async def allow_address_pairs(ctx: Ctx, port_id: FromPath[str], data: JSONBody[AllowAddressPairs]) -> TaskIds:
    """Say as which other addresses, or ranges of them, a port may speak: at most ten, in place of those before.

    A pair without a MAC address has the port's own. Only for ports in private networks.
    """
    task_id = ctx.new_id()

    async def write(tx: Tx) -> None:
        before = await ports.get(tx, ctx.place, port_id)
        await _private(tx, before)
        pairs = (each.pair() for each in data.allowed_address_pairs)
        await set_allowed_address_pairs(tx, ctx, before, pairs, task_id, to_builtins(data))

    await ctx.db.write(write)
    ctx.app.wake_engine()
    return TaskIds(tasks=[task_id])


@post(f"/cloud/v1/ports/{PORT}/enable_port_security", opt=WRITE, status_code=200, deprecated=True, tags=["Instances"])
async def enable_port_security(ctx: Ctx, port_id: FromPath[str]) -> InterfaceView:
    """Keep a port from speaking as others, and let security groups guard it; none does until it is added."""
    return await _secured(ctx, port_id, enabled=True)


@post(f"/cloud/v1/ports/{PORT}/disable_port_security", opt=WRITE, status_code=200, deprecated=True, tags=["Instances"])
async def disable_port_security(ctx: Ctx, port_id: FromPath[str]) -> InterfaceView:
    """Let a port speak as any address; its security groups are taken from it.

    In a public network, which tenants share, a real machine speaks as its own addresses all the same.
    """
    return await _secured(ctx, port_id, enabled=False)


async def _secured(ctx: RequestContext, port_id: str, *, enabled: bool) -> InterfaceView:
    async def write(tx: Tx) -> tuple[InterfaceView, str]:
        before = await ports.get(tx, ctx.place, port_id)
        if before.instance_id is not None:
            instance = await instances.get(tx, ctx.place, before.instance_id)
            await instances.bump_revision(tx, instance.require_unlocked())
        after = await ports.save(tx, before, before.require_unlocked().with_port_security(ctx.now(), enabled=enabled))
        if not enabled:
            await security_groups.remove_all_from_port(tx, port_id)
        await ctx.audit(tx, "port", "enable_portsecurity" if enabled else "disable_portsecurity", port_id)
        return await interface(tx, ctx, after), await start_port_refresh(tx, ctx, [port_id])

    view, task_id = await ctx.db.write(write)
    await ctx.wait_for_task(task_id)
    return view


async def _private(tx: Tx, port: Port) -> None:
    network = await networks.find(tx, port.network_id)
    if network is not None and network.external:
        raise Conflict(f"Port {port.id} is in a public network: it may speak as its own address only")


ROUTES = [allow_address_pairs, enable_port_security, disable_port_security]
