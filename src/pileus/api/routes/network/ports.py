"""Routes of ports: allowed address pairs and port security."""

from litestar import post, put
from litestar.params import FromPath, JSONBody
from msgspec import to_builtins

from pileus.api.authorization import WRITE
from pileus.api.context import Ctx
from pileus.api.routes.network.interface_views import read_interface_view
from pileus.api.wire.network.interfaces import InterfaceView
from pileus.api.wire.network.ports import SetAllowedAddressPairs
from pileus.api.wire.tasks import TaskIds
from pileus.services.network import ports as port_service

PORT = "{project_id:int}/{region_id:int}/{port_id:str}"


@put(f"/cloud/v2/ports/{PORT}/allow_address_pairs", opt=WRITE, status_code=200, deprecated=True, tags=["Instances"])
async def allow_address_pairs(ctx: Ctx, port_id: FromPath[str], data: JSONBody[SetAllowedAddressPairs]) -> TaskIds:
    """Replace the allowed address pairs of a port in a private network: at most ten addresses or ranges.

    The port may send from them besides its own addresses. A pair without a MAC address has the port's. While port
    security is disabled, the answer is 409.
    """
    return await ctx.submit_task(
        lambda tx, task_id: port_service.set_allowed_address_pairs(
            tx,
            ctx,
            port_id,
            [pair.to_address_pair() for pair in data.allowed_address_pairs],
            task_id,
            audit_data=to_builtins(data),
        )
    )


@post(f"/cloud/v1/ports/{PORT}/enable_port_security", opt=WRITE, status_code=200, deprecated=True, tags=["Instances"])
async def enable_port_security(ctx: Ctx, port_id: FromPath[str]) -> InterfaceView:
    """Enable port security: anti-spoofing is on, and security groups can be added.

    Security groups that disabling removed are not restored.
    """
    await ctx.submit_task_and_wait(
        lambda tx, task_id: port_service.set_port_security(tx, ctx, port_id, task_id, enabled=True)
    )
    return await read_interface_view(ctx, port_id)


@post(f"/cloud/v1/ports/{PORT}/disable_port_security", opt=WRITE, status_code=200, deprecated=True, tags=["Instances"])
async def disable_port_security(ctx: Ctx, port_id: FromPath[str]) -> InterfaceView:
    """Disable port security: the port may send from any address, and its security groups are removed.

    While the port has allowed address pairs or is connected to a virtual IP, the answer is 409. In a public network,
    which tenants share, a real machine can still send from its own addresses only.
    """
    await ctx.submit_task_and_wait(
        lambda tx, task_id: port_service.set_port_security(tx, ctx, port_id, task_id, enabled=False)
    )
    return await read_interface_view(ctx, port_id)


ROUTES = [allow_address_pairs, enable_port_security, disable_port_security]
