"""Routes of flavors for virtual machines: all of them, and those that can boot given volumes."""

from collections.abc import Iterable
from typing import NamedTuple

from litestar import get, post
from litestar.params import FromPath, FromQuery, JSONBody

from pileus.api.authorization import READ
from pileus.api.context import Ctx, RequestContext
from pileus.api.paging import Limit, Offset
from pileus.api.wire.compute.flavor_requests import CandidateVolume, ListFlavorsForVolumes
from pileus.api.wire.compute.flavors import ListedFlavor, PricedFlavor
from pileus.api.wire.paging import Page
from pileus.domain.catalogue import derive_public_image_id
from pileus.domain.compute.app_templates import AppTemplate
from pileus.domain.compute.flavors import Flavor, boot_misfit_reason
from pileus.domain.compute.images import Image
from pileus.domain.compute.instances import InstanceKind
from pileus.domain.errors import not_found
from pileus.domain.storage.volumes import Volume
from pileus.store.account import projects
from pileus.store.compute import images, instances
from pileus.store.database import Tx
from pileus.store.storage import attachments, snapshots, volumes

INSTANCES = "/cloud/v1/instances/{project_id:int}/{region_id:int}"


class VolumeBootSource(NamedTuple):
    """The image and the app template on a volume, as far as they are known."""

    image: Image | None = None
    template: AppTemplate | None = None


@get("/cloud/v1/flavors/{project_id:int}/{region_id:int}", opt=READ, tags=["Instances"])
async def list_flavors(
    ctx: Ctx,
    disabled: FromQuery[bool] = True,
    exclude_linux: FromQuery[bool] = False,
    exclude_windows: FromQuery[bool] = False,
    include_prices: FromQuery[bool] = False,
    limit: Limit = 1000,
    offset: Offset = 0,
) -> Page[ListedFlavor | PricedFlavor]:
    """List the flavors of virtual machines, without disabled ones if `disabled` is false."""
    excluded = ("linux",) * exclude_linux + ("windows",) * exclude_windows
    flavors = [
        flavor
        for flavor in await _flavors_of_kind(ctx, InstanceKind.VM)
        if flavor.os_type not in excluded and (disabled or not flavor.disabled)
    ]
    views = _flavor_views(ctx, flavors[offset : offset + limit], with_prices=include_prices)
    return Page(count=len(flavors), results=views)


@get(f"{INSTANCES}/{{instance_id:str}}/available_flavors", opt=READ, tags=["Instances"])
async def list_instance_flavors(
    ctx: Ctx, instance_id: FromPath[str], include_prices: FromQuery[bool] = False
) -> Page[ListedFlavor | PricedFlavor]:
    """List the flavors that an instance can be changed to: other flavors of its kind that can boot its boot volume."""
    return await _list_flavors_of_instance(ctx, instance_id, with_prices=include_prices)


@post(
    f"{INSTANCES}/{{instance_id:str}}/available_flavors", opt=READ, status_code=200, deprecated=True, tags=["Instances"]
)
async def list_instance_flavors_by_post(
    ctx: Ctx, instance_id: FromPath[str], include_prices: FromQuery[bool] = False
) -> Page[ListedFlavor | PricedFlavor]:
    """List the flavors that an instance can be changed to, for older clients. A body is ignored."""
    return await _list_flavors_of_instance(ctx, instance_id, with_prices=include_prices)


async def _list_flavors_of_instance(
    ctx: RequestContext, instance_id: str, *, with_prices: bool
) -> Page[ListedFlavor | PricedFlavor]:
    async with ctx.db.scan() as tx:
        instance = await instances.get(tx, ctx.place, instance_id)
        source = await _source_of_volume(tx, ctx, await attachments.find_boot_volume(tx, instance_id))
    others = [
        flavor for flavor in ctx.catalogue.flavors if flavor.kind == instance.kind and flavor.id != instance.flavor_id
    ]
    return _page_of_fitting(ctx, others, [source], with_prices=with_prices)


@post(f"{INSTANCES}/available_flavors", opt=READ, status_code=200, tags=["Instances"])
async def list_flavors_for_volumes(
    ctx: Ctx, data: JSONBody[ListFlavorsForVolumes], include_prices: FromQuery[bool] = False
) -> Page[ListedFlavor | PricedFlavor]:
    """List the flavors that an instance with these volumes can have."""
    flavors = await _flavors_of_kind(ctx, InstanceKind.VM)
    async with ctx.db.scan() as tx:
        sources = [await _source_of_candidate(tx, ctx, volume) for volume in data.volumes]
    return _page_of_fitting(ctx, flavors, sources, with_prices=include_prices)


def _page_of_fitting(
    ctx: RequestContext, flavors: Iterable[Flavor], sources: list[VolumeBootSource], *, with_prices: bool
) -> Page[ListedFlavor | PricedFlavor]:
    """List the enabled flavors that can boot all of the sources."""
    fitting = [
        flavor
        for flavor in flavors
        if not flavor.disabled
        and not any(boot_misfit_reason(flavor, source.image, source.template) for source in sources)
    ]
    return Page(count=len(fitting), results=_flavor_views(ctx, fitting, with_prices=with_prices))


def _flavor_views(
    ctx: RequestContext, flavors: Iterable[Flavor], *, with_prices: bool
) -> list[ListedFlavor | PricedFlavor]:
    if with_prices:
        return [PricedFlavor.with_price(flavor, ctx.catalogue.currency) for flavor in flavors]
    return [ListedFlavor.of(flavor) for flavor in flavors]


async def _flavors_of_kind(ctx: RequestContext, kind: InstanceKind) -> list[Flavor]:
    ctx.require_region()
    async with ctx.db.read() as tx:
        await projects.require_existing(tx, ctx.place)
    return [flavor for flavor in ctx.catalogue.flavors if flavor.kind == kind]


async def _source_of_candidate(tx: Tx, ctx: RequestContext, volume: CandidateVolume) -> VolumeBootSource:
    """Return what a volume of the request would boot. Raises NotFound."""
    if volume.image_id is not None:
        return VolumeBootSource(await images.get(tx, ctx.place, volume.image_id))
    if volume.volume_id is not None:
        return await _source_of_volume(tx, ctx, await volumes.get(tx, ctx.place, volume.volume_id))
    if volume.snapshot_id is not None:
        snapshot = await snapshots.get(tx, ctx.place, volume.snapshot_id)
        return await _source_of_volume(tx, ctx, await volumes.find(tx, snapshot.volume_id))
    if volume.apptemplate_id is None:
        return VolumeBootSource()
    template = ctx.catalogue.app_template(volume.apptemplate_id)
    if template is None:
        raise not_found("App template", volume.apptemplate_id)
    return VolumeBootSource(
        await images.find(tx, derive_public_image_id(ctx.place.region_id, template.image_name)), template
    )


async def _source_of_volume(tx: Tx, ctx: RequestContext, volume: Volume | None) -> VolumeBootSource:
    if volume is None:
        return VolumeBootSource()
    image = await images.find(tx, volume.image_id) if volume.image_id else None
    template = ctx.catalogue.app_template(volume.apptemplate_id) if volume.apptemplate_id else None
    return VolumeBootSource(image, template)


ROUTES = [list_flavors, list_instance_flavors, list_instance_flavors_by_post, list_flavors_for_volumes]
