"""Routes that show an instance's console and metrics, and prices, limits and names of instances."""

from collections.abc import Iterable, Sequence
from typing import Annotated

from litestar import get, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from pileus.api.authorization import READ, WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.driver_errors import translate_driver_errors
from pileus.api.paging import Limit, Offset
from pileus.api.wire.account.price_requests import InstancePriceRequest, PlannedVolume
from pileus.api.wire.account.prices import InstancePrice, ResourcePrice
from pileus.api.wire.account.quota_requests import InstanceQuotaCheckRequest, PlannedInterface
from pileus.api.wire.account.quotas import ExceededQuotas
from pileus.api.wire.compute.instance_locations import InstanceLocation
from pileus.api.wire.compute.instances import InstanceNamingRules, RemoteConsoleUrl, RemoteConsoleView
from pileus.api.wire.compute.metric_requests import MetricsRequest
from pileus.api.wire.compute.metrics import DiskMetricsSample, InstanceMetricsSample
from pileus.api.wire.network.interface_requests import NewFloatingIP
from pileus.api.wire.paging import Page
from pileus.api.wire.times import format_zulu
from pileus.domain.account import prices, quota_checks
from pileus.domain.compute.flavors import Flavor
from pileus.domain.compute.instance_orders import (
    FloatingIPChoice,
    InterfaceType,
    NewInterface,
    ResourceDemand,
    VolumeDemand,
    count_resource_demand,
)
from pileus.domain.compute.instances import Instance
from pileus.domain.errors import Locked, Unavailable, invalid
from pileus.drivers.protocols.consoles import ConsoleAddress, SupportsConsoles
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.metrics import MachineSample, SupportsMachineMetrics
from pileus.services.account import quotas as quota_service
from pileus.services.locks import describe_lock
from pileus.store.account import projects
from pileus.store.compute import instance_search, instances
from pileus.store.database import Tx
from pileus.store.storage import attachments, snapshots

HERE = "{project_id:int}/{region_id:int}"
ALL = f"/cloud/v1/instances/{HERE}"
ONE = f"{ALL}/{{instance_id:str}}"
DEFAULT_SIZE = 10
"""GiB of a volume from an image, if the request has no size."""


@get(f"{ONE}/get_console", opt=WRITE, tags=["Instances"])
async def get_instance_console(
    ctx: Ctx, instance_id: FromPath[str], console_type: FromQuery[str | None] = None
) -> RemoteConsoleView:
    """Open the console of a running instance. The URL is valid for some time, for everyone who knows it."""
    return await _open_console_of_instance(ctx, instance_id, console_type)


@get(f"{ONE}/get_spice_console", opt=WRITE, deprecated=True, tags=["Instances"])
async def get_instance_spice_console(
    ctx: Ctx, instance_id: FromPath[str], console_type: FromQuery[str | None] = None
) -> RemoteConsoleView:
    """Open the console of a running instance, for older clients. The answer is that of `get_console`."""
    return await _open_console_of_instance(ctx, instance_id, console_type)


@get("/cloud/v1/instances/search", opt=READ, deprecated=True, tags=["Instances"])
async def search_instances(
    ctx: Ctx,
    name: FromQuery[str | None] = None,
    instance_id: Annotated[str | None, QueryParameter(name="id")] = None,
    limit: Limit = 1000,
    offset: Offset = 0,
) -> Page[InstanceLocation]:
    """Find the project and region of instances, in all projects and regions, for older clients.

    `name` matches a part of the name, in upper or lower case; `id` matches the whole id.
    """
    async with ctx.db.scan() as tx:
        count, page = await instance_search.page(
            tx, ctx.caller.client_id, name=name, instance_id=instance_id, limit=limit, offset=offset
        )
    return Page(
        count=count,
        results=[
            InstanceLocation.of(instance, project_name, ctx.catalogue.region(instance.region_id))
            for instance, project_name in page
        ],
    )


@post(f"{ONE}/metrics", opt=READ, status_code=200, tags=["Instances"])
async def list_instance_metrics(
    ctx: Ctx, instance_id: FromPath[str], data: JSONBody[MetricsRequest], limit: Limit = 1000, offset: Offset = 0
) -> Page[InstanceMetricsSample]:
    """List the metrics of an instance in the last hours or days, oldest first. There are none from before its creation.

    Utilization is in per cent, traffic is per second.
    """
    async with ctx.db.read() as tx:
        instance = await instances.get(tx, ctx.place, instance_id)
    if not isinstance(ctx.driver, SupportsMachineMetrics):
        raise Unavailable("The driver of this region measures nothing")
    with translate_driver_errors():
        samples = await ctx.driver.machine_samples(instance.id, *data.period(ctx.now(), instance.created_at))
    return Page(count=len(samples), results=[_metrics_view(sample) for sample in samples[offset : offset + limit]])


@get(f"{ALL}/available_names", opt=READ, deprecated=True, tags=["Instances"])
async def get_available_names(ctx: Ctx) -> InstanceNamingRules:
    """Get the rules for names of instances: any valid name is allowed."""
    ctx.require_region()
    async with ctx.db.read() as tx:
        await projects.require_existing(tx, ctx.place)
    return InstanceNamingRules(
        custom_name_allowed=True,
        name_templates_limited=False,
        allowed_name_templates=None,
        allowed_name_win_templates=None,
        allowed_bm_name_templates=None,
        allowed_bm_name_win_templates=None,
    )


@post(f"/cloud/v2/pricing/{HERE}/instances", opt=READ, status_code=200, tags=["Instances"])
async def preview_instance_price(ctx: Ctx, data: JSONBody[InstancePriceRequest]) -> InstancePrice:
    """Preview the price of instances, in total and of each part, by the catalogue's prices without taxes."""
    ctx.require_region()
    async with ctx.db.read() as tx:
        await projects.require_existing(tx, ctx.place)
        disks = await _new_disks(tx, ctx, data.volumes)
    interfaces = [interface.to_new_interface() for interface in data.interfaces]
    count = max(1, len(data.names), len(data.name_templates))
    demand = count_resource_demand(_require_flavor(ctx, data.flavor), disks, interfaces, count)
    return InstancePrice.of(prices.preview_price(ctx.catalogue, demand), ctx.catalogue)


@get(f"/cloud/v1/pricing/{HERE}/instances/{{instance_id:str}}", opt=READ, tags=["Instances"])
async def get_instance_price(ctx: Ctx, instance_id: FromPath[str]) -> ResourcePrice:
    """Get the price of an instance with its volumes and public addresses."""
    async with ctx.db.scan() as tx:
        instance, details = await instances.get_with_details(tx, ctx.place, instance_id)
        volumes = [volume for _, volume in await attachments.list_with_volumes(tx, instance_id)]
    external_ports = {address.port_id for address in details.addresses if address.external and not address.floating}
    demand = ResourceDemand(
        flavor=ctx.catalogue.flavor(instance.flavor_id),
        disks=[VolumeDemand(volume.size, volume.type_name) for volume in volumes],
        floating_ips=sum(address.floating for address in details.addresses),
        external_ips=len(external_ports),
    )
    return ResourcePrice.of(prices.preview_price(ctx.catalogue, demand).total, ctx.catalogue)


@post(f"/cloud/v2/instances/{HERE}/check_limits", opt=READ, status_code=200, tags=["Instances"])
async def check_instance_limits(ctx: Ctx, data: JSONBody[InstanceQuotaCheckRequest]) -> ExceededQuotas:
    """Check which quotas new instances would exceed.

    The response holds the requested amount, the limit and the usage of each exceeded quota; it is `{}` if there is
    none.
    """
    return await find_exceeded_quotas(ctx, data)


async def _open_console_of_instance(
    ctx: RequestContext, instance_id: str, console_type: str | None
) -> RemoteConsoleView:
    async with ctx.db.read() as tx:
        instance = await instances.get(tx, ctx.place, instance_id)
    return await open_console(ctx, instance, console_type)


async def open_console(ctx: RequestContext, instance: Instance, console_type: str | None) -> RemoteConsoleView:
    """Open a console of an instance. Raises Conflict, Invalid or Unavailable."""
    try:
        instance.require_unlocked()
    except Locked as problem:
        async with ctx.db.read() as tx:
            raise await describe_lock(tx, ctx, problem) from None
    if not isinstance(ctx.driver, SupportsConsoles):
        raise Unavailable("The driver of this region has no consoles")
    with translate_driver_errors():
        console = await _ask_for_console(ctx.driver, instance.id, console_type)
    return RemoteConsoleView(
        remote_console=RemoteConsoleUrl(url=console.url, type=console.type, protocol=console.protocol)
    )


async def _ask_for_console(driver: SupportsConsoles, instance_id: str, console_type: str | None) -> ConsoleAddress:
    """Return what the driver opens. Raises Invalid for a type that it never opens, else DriverError."""
    try:
        return await driver.open_console(instance_id, console_type)
    except DriverError as error:
        if error.retryable:
            raise
        raise invalid(console_type=str(error)) from error


async def find_exceeded_quotas(ctx: RequestContext, data: InstanceQuotaCheckRequest) -> ExceededQuotas:
    """Return the quotas that new instances would exceed. Raises Invalid or NotFound."""
    ctx.require_region()
    flavor = None if data.flavor is None else _require_flavor(ctx, data.flavor)
    interfaces = [_counted_interface(interface) for interface in data.interfaces]
    count = max(1, len(data.names), len(data.name_templates))
    async with ctx.db.read() as tx:
        await projects.require_existing(tx, ctx.place)
        demand = count_resource_demand(flavor, await _new_disks(tx, ctx, data.volumes), interfaces, count)
        return await quota_service.list_exceeded_quotas(tx, ctx, quota_checks.count_demand_by_quota(demand))


def _require_flavor(ctx: RequestContext, flavor_id: str) -> Flavor:
    flavor = ctx.catalogue.offered_flavor(flavor_id)
    if flavor is None:
        raise invalid(flavor=f"There is no flavor {flavor_id}")
    return flavor


async def _new_disks(tx: Tx, ctx: RequestContext, volumes: Iterable[PlannedVolume]) -> Sequence[VolumeDemand]:
    """Return the volumes that would be created; existing volumes are charged and counted already."""
    return [
        VolumeDemand(await _size_of(tx, ctx, volume), volume.type_name or "standard")
        for volume in volumes
        if volume.source != "existing-volume"
    ]


async def _size_of(tx: Tx, ctx: RequestContext, volume: PlannedVolume) -> int:
    if volume.size is not None:
        return volume.size
    if volume.snapshot_id is not None:
        return (await snapshots.get(tx, ctx.place, volume.snapshot_id)).size
    return DEFAULT_SIZE


def _counted_interface(interface: PlannedInterface) -> NewInterface:
    floating_ip = FloatingIPChoice() if isinstance(interface.floating_ip, NewFloatingIP) else None
    return NewInterface(type=InterfaceType(interface.type), floating_ip=floating_ip)


def _metrics_view(sample: MachineSample) -> InstanceMetricsSample:
    return InstanceMetricsSample(
        time=format_zulu(sample.time),
        cpu_util=sample.cpu_util,
        memory_util=sample.memory_util,
        bytes_out=sample.network_bytes_out,
        bytes_in=sample.network_bytes_in,
        packets_out=sample.network_packets_out,
        packets_in=sample.network_packets_in,
        disks=[
            DiskMetricsSample(
                disk_name=name, read_bytes=read_bytes, write_bytes=write_bytes, reads=reads, writes=writes
            )
            for name, (read_bytes, write_bytes, reads, writes) in sample.disks.items()
        ],
    )


ROUTES = [
    get_instance_console,
    get_instance_spice_console,
    search_instances,
    list_instance_metrics,
    get_available_names,
    preview_instance_price,
    get_instance_price,
    check_instance_limits,
]
