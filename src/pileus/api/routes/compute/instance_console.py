"""An instance's screen, its figures, and the names that it may have: what is asked of the driver and the server."""

from litestar import get, post
from litestar.params import FromPath, FromQuery, JSONBody

from pileus.api.auth import READ, WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.paging import Limit, Offset
from pileus.api.wire.compute.instances import AvailableNames, RemoteConsole, RemoteConsoleView
from pileus.api.wire.compute.metrics import AskMetrics, DiskMetrics, MetricsView
from pileus.api.wire.paging import Page
from pileus.api.wire.times import format_zulu
from pileus.domain.compute.instances import Instance
from pileus.domain.errors import Conflict, Unavailable, invalid
from pileus.drivers.protocols.compute import Consoles, DriverError
from pileus.drivers.protocols.metrics import Metrics, Sample
from pileus.store.account import projects
from pileus.store.compute import instances

ALL = "/cloud/v1/instances/{project_id:int}/{region_id:int}"
ONE = f"{ALL}/{{instance_id:str}}"


@get(f"{ONE}/get_console", opt=WRITE, tags=["Instances"])
async def get_instance_console(
    ctx: Ctx, instance_id: FromPath[str], console_type: FromQuery[str | None] = None
) -> RemoteConsoleView:
    """Open the screen of a running instance; the answer's address is good for a while, for whoever has it."""
    return await open_console(ctx, await _instance(ctx, instance_id), console_type)


@post(f"{ONE}/metrics", opt=READ, status_code=200, tags=["Instances"])
async def list_instance_metrics(
    ctx: Ctx, instance_id: FromPath[str], data: JSONBody[AskMetrics], limit: Limit = 1000, offset: Offset = 0
) -> Page[MetricsView]:
    """Tell how busy an instance was in the last hours or days, oldest first: use in per cent, traffic a second."""
    instance = await _instance(ctx, instance_id)
    if not isinstance(ctx.app.driver, Metrics):
        raise Unavailable("This cloud measures nothing")
    now = ctx.now()
    try:
        samples = await ctx.app.driver.metrics(instance.id, data.since(now), now, data.count)
    except DriverError as error:
        raise Conflict(str(error)) from error
    return Page(count=len(samples), results=[_measured(sample) for sample in samples[offset : offset + limit]])


@get(f"{ALL}/available_names", opt=READ, deprecated=True, tags=["Instances"])
async def get_available_names(ctx: Ctx) -> AvailableNames:
    """Tell which names instances may have: any that keeps to the rule for names."""
    ctx.region()
    async with ctx.db.read() as tx:
        await projects.require(tx, ctx.place)
    return AvailableNames(
        custom_name_allowed=True,
        name_templates_limited=False,
        allowed_name_templates=None,
        allowed_name_win_templates=None,
        allowed_bm_name_templates=None,
        allowed_bm_name_win_templates=None,
    )


async def open_console(ctx: RequestContext, instance: Instance, console_type: str | None) -> RemoteConsoleView:
    """A console of an instance that no task holds; raises Conflict, Invalid or Unavailable."""
    instance.require_unlocked()
    if not isinstance(ctx.app.driver, Consoles):
        raise Unavailable("This cloud has no consoles")
    try:
        console = await ctx.app.driver.console(instance.id, console_type)
    except DriverError as error:
        raise (Conflict(str(error)) if error.retryable else invalid(console_type=str(error))) from error
    return RemoteConsoleView(
        remote_console=RemoteConsole(url=console.url, type=console.type, protocol=console.protocol)
    )


async def _instance(ctx: RequestContext, instance_id: str) -> Instance:
    async with ctx.db.read() as tx:
        return await instances.get(tx, ctx.place, instance_id)


def _measured(sample: Sample) -> MetricsView:
    return MetricsView(
        time=format_zulu(sample.time),
        cpu_util=sample.cpu_util,
        memory_util=sample.memory_util,
        bytes_out=sample.network_bytes_out,
        bytes_in=sample.network_bytes_in,
        packets_out=sample.network_packets_out,
        packets_in=sample.network_packets_in,
        disks=[
            DiskMetrics(
                disk_name=name, read_bytes=figures[0], write_bytes=figures[1], reads=figures[2], writes=figures[3]
            )
            for name, figures in sample.disks.items()
        ],
    )


ROUTES = [get_instance_console, list_instance_metrics, get_available_names]
