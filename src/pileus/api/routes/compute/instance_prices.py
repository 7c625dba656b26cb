"""What instances cost, and whether they would fit the quotas: before they are made, and while they live."""

from collections.abc import Iterable, Sequence

from litestar import get, post
from litestar.params import FromPath, JSONBody

from pileus.api.auth import READ
from pileus.api.context import Ctx, RequestContext
from pileus.api.wire.account.limits import CheckLimits, ExceededQuotas
from pileus.api.wire.account.prices import InstancePrice, ItemPrice, PreviewPrice, PricedVolume
from pileus.api.wire.network.interfaces import ExistingFloatingIP, NewFloatingIP
from pileus.domain.account import prices, quota_checks
from pileus.domain.compute.flavors import Flavor
from pileus.domain.compute.instance_orders import (
    FloatingIPChoice,
    InterfaceType,
    NewDisk,
    NewInterface,
    ResourceDemand,
    resource_demand,
)
from pileus.domain.errors import invalid
from pileus.store.account import projects, quotas, usage
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.storage import attachments, snapshots

DEFAULT_SIZE = 10
"""GiB of a volume from an image, where nobody says."""


@post("/cloud/v2/pricing/{project_id:int}/{region_id:int}/instances", opt=READ, status_code=200, tags=["Instances"])
async def preview_instance_price(ctx: Ctx, data: JSONBody[PreviewPrice]) -> InstancePrice:
    """Tell what instances would cost, whole and in parts: by the catalogue's prices, without taxes."""
    ctx.region()
    async with ctx.db.read() as tx:
        await projects.require(tx, ctx.place)
        disks = await _disks(tx, ctx, data.volumes)
    interfaces = [interface.ordered() for interface in data.interfaces]
    count = max(1, len(data.names), len(data.name_templates))
    wanted = resource_demand(_flavor(ctx, data.flavor), disks, interfaces, count)
    catalogue = ctx.catalogue
    return InstancePrice.of(prices.preview(catalogue, wanted), catalogue)


@get("/cloud/v1/pricing/{project_id:int}/{region_id:int}/instances/{instance_id:str}", opt=READ, tags=["Instances"])
async def get_instance_price(ctx: Ctx, instance_id: FromPath[str]) -> ItemPrice:
    """Tell what an instance costs with its volumes and public addresses."""
    catalogue = ctx.catalogue
    async with ctx.db.scan() as tx:
        instance, attached = await instances.get_with_details(tx, ctx.place, instance_id)
        hanging = [volume for _, volume in await attachments.with_volumes(tx, instance_id)]
    living = ResourceDemand(
        flavor=catalogue.flavor(instance.flavor_id),
        disks=[NewDisk(volume.size, volume.type_name) for volume in hanging],
        floating_ips=sum(address.floating for address in attached.addresses),
        external_ips=len({each.port_id for each in attached.addresses if each.external and not each.floating}),
    )
    return ItemPrice.of(prices.preview(catalogue, living).total, catalogue)


@post(
    "/cloud/v2/instances/{project_id:int}/{region_id:int}/check_limits", opt=READ, status_code=200, tags=["Instances"]
)
async def check_instance_limits(ctx: Ctx, data: JSONBody[CheckLimits]) -> ExceededQuotas:
    """Tell which quotas instances would exceed, with what is asked, the limit and what is in use; `{}` if none."""
    return await exceeded_quotas(ctx, data)


async def exceeded_quotas(ctx: RequestContext, data: CheckLimits) -> ExceededQuotas:
    """Hold what servers would need against the quotas; raises Invalid or NotFound."""
    ctx.region()
    flavor = None if data.flavor is None else _flavor(ctx, data.flavor)
    interfaces = [_counted(each.type, new=_is_new(each.floating_ip)) for each in data.interfaces]
    count = max(1, len(data.names), len(data.name_templates))
    async with ctx.db.read() as tx:
        await projects.require(tx, ctx.place)
        wanted = resource_demand(flavor, await _disks(tx, ctx, data.volumes), interfaces, count)
        used = await usage.of_place(tx, ctx.place, ctx.catalogue)
        allowed = await quotas.limits_of(tx, ctx.place, ctx.catalogue)
    return quota_checks.exceeded(allowed, used, quota_checks.requested_amounts(wanted))


def _flavor(ctx: RequestContext, flavor_id: str) -> Flavor:
    flavor = ctx.catalogue.offered_flavor(flavor_id)
    if flavor is None:
        raise invalid(flavor=f"There is no flavor {flavor_id}")
    return flavor


async def _disks(tx: Tx, ctx: RequestContext, volumes: Iterable[PricedVolume]) -> Sequence[NewDisk]:
    """The volumes that would be new; one that exists is paid for already."""
    return [
        NewDisk(await _size(tx, ctx, volume), volume.type_name or "standard")
        for volume in volumes
        if volume.source != "existing-volume"
    ]


async def _size(tx: Tx, ctx: RequestContext, volume: PricedVolume) -> int:
    if volume.size is not None:
        return volume.size
    if volume.snapshot_id is not None:
        return (await snapshots.get(tx, ctx.place, volume.snapshot_id)).size
    return DEFAULT_SIZE


def _is_new(floating_ip: NewFloatingIP | ExistingFloatingIP | None) -> bool:
    return isinstance(floating_ip, NewFloatingIP)


def _counted(type_name: str, *, new: bool) -> NewInterface:
    return NewInterface(type=InterfaceType(type_name), floating_ip=FloatingIPChoice() if new else None)


ROUTES = [preview_instance_price, get_instance_price, check_instance_limits]
