"""Serial logs and port forwards of instances and load balancers, which only drivers with real machines have.

They are not part of the public API, and are open to everyone who may read the instance.
"""

from typing import Annotated

from litestar import Response, get
from litestar.params import FromPath, QueryParameter

from pileus.api.authorization import READ
from pileus.api.context import Ctx, RequestContext
from pileus.api.driver_errors import translate_driver_errors
from pileus.domain.compute.instances import Instance
from pileus.domain.errors import Conflict
from pileus.drivers.protocols.guests import PortForward, SupportsPortForwards, SupportsSerialLogs
from pileus.store.compute import instances
from pileus.store.load_balancers import load_balancers

ONE = "/_pileus/instances/{project_id:int}/{region_id:int}/{instance_id:str}"
LOAD_BALANCER = "/_pileus/loadbalancers/{project_id:int}/{region_id:int}/{load_balancer_id:str}"
MAX_BYTES = 1 << 20
ByteCount = Annotated[int, QueryParameter(name="bytes", ge=1, le=MAX_BYTES)]


@get(f"{ONE}/serial_log", opt=READ, tags=["Real machines"])
async def get_serial_log(ctx: Ctx, instance_id: FromPath[str], byte_count: ByteCount = 65536) -> Response[bytes]:
    """Get the end of the serial log of an instance, at most `bytes` bytes, unchanged."""
    instance = await _read_instance(ctx, instance_id)
    if not isinstance(ctx.driver, SupportsSerialLogs):
        raise Conflict("This driver has no serial logs: its machines are simulated")
    with translate_driver_errors():
        log = await ctx.driver.read_serial_log_end(instance.id, byte_count)
    return Response(log, media_type="text/plain; charset=utf-8", headers={"X-Content-Type-Options": "nosniff"})


@get(f"{ONE}/port_forwards", opt=READ, tags=["Real machines"])
async def list_port_forwards(ctx: Ctx, instance_id: FromPath[str]) -> list[PortForward]:
    """List the ports of the host that are forwarded to an instance: those that its security groups open to everyone."""
    return await _list_instance_forwards(ctx, instance_id)


@get(f"{ONE}/ways", opt=READ, deprecated=True, tags=["Real machines"])
async def list_instance_ways(ctx: Ctx, instance_id: FromPath[str]) -> list[PortForward]:
    """List the ports of the host that are forwarded to an instance. Deprecated: use `port_forwards`."""
    return await _list_instance_forwards(ctx, instance_id)


@get(f"{LOAD_BALANCER}/port_forwards", opt=READ, tags=["Real machines"])
async def list_load_balancer_port_forwards(ctx: Ctx, load_balancer_id: FromPath[str]) -> list[PortForward]:
    """List the ports of the host that are forwarded to a load balancer: those of its listeners."""
    return await _list_load_balancer_forwards(ctx, load_balancer_id)


@get(f"{LOAD_BALANCER}/ways", opt=READ, deprecated=True, tags=["Real machines"])
async def list_load_balancer_ways(ctx: Ctx, load_balancer_id: FromPath[str]) -> list[PortForward]:
    """List the ports of the host that are forwarded to a load balancer. Deprecated: use `port_forwards`."""
    return await _list_load_balancer_forwards(ctx, load_balancer_id)


async def _list_instance_forwards(ctx: RequestContext, instance_id: str) -> list[PortForward]:
    instance = await _read_instance(ctx, instance_id)
    return await _list_forwards(ctx, instance.id)


async def _list_load_balancer_forwards(ctx: RequestContext, load_balancer_id: str) -> list[PortForward]:
    async with ctx.db.read() as tx:
        load_balancer = await load_balancers.get(tx, ctx.place, load_balancer_id)
    return await _list_forwards(ctx, load_balancer.id)


async def _list_forwards(ctx: RequestContext, machine_id: str) -> list[PortForward]:
    if not isinstance(ctx.driver, SupportsPortForwards):
        raise Conflict("This driver has no port forwards: its machines are simulated")
    with translate_driver_errors():
        return await ctx.driver.port_forwards(machine_id)


async def _read_instance(ctx: RequestContext, instance_id: str) -> Instance:
    async with ctx.db.read() as tx:
        return await instances.get(tx, ctx.place, instance_id)


ROUTES = [
    get_serial_log,
    list_port_forwards,
    list_instance_ways,
    list_load_balancer_port_forwards,
    list_load_balancer_ways,
]
