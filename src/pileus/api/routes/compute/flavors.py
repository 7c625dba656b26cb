"""Flavors: those on offer, and those that an instance, or one to be made of some volumes, could have."""

from collections.abc import Iterable

from litestar import get, post
from litestar.params import FromPath, FromQuery, JSONBody

from pileus.api.auth import READ
from pileus.api.context import Ctx, RequestContext
from pileus.api.paging import Limit, Offset
from pileus.api.wire.compute.flavors import ListedFlavor, PricedFlavor
from pileus.api.wire.compute.instance_volumes import CandidateVolume, SuitableFlavorsRequest
from pileus.api.wire.paging import Page
from pileus.domain.catalogue import image_id
from pileus.domain.compute.app_templates import AppTemplate
from pileus.domain.compute.flavors import Flavor, misfit
from pileus.domain.compute.images import Image
from pileus.domain.compute.instances import Kind
from pileus.domain.errors import not_found
from pileus.domain.storage.volumes import Volume
from pileus.store.account import projects
from pileus.store.compute import images, instances
from pileus.store.database import Tx
from pileus.store.storage import attachments, snapshots, volumes

INSTANCES = "/cloud/v1/instances/{project_id:int}/{region_id:int}"
Boots = tuple[Image | None, AppTemplate | None]


@get("/cloud/v1/flavors/{project_id:int}/{region_id:int}", opt=READ, tags=["Instances"])
async def list_flavors(  # each is a parameter of the operation
    ctx: Ctx,
    disabled: FromQuery[bool] = True,
    exclude_linux: FromQuery[bool] = False,
    exclude_windows: FromQuery[bool] = False,
    include_prices: FromQuery[bool] = False,
    limit: Limit = 1000,
    offset: Offset = 0,
) -> Page[ListedFlavor | PricedFlavor]:
    """List the flavors of virtual machines; those that are disabled too, unless `disabled` is false."""
    excluded = ("linux",) * exclude_linux + ("windows",) * exclude_windows
    offered = [each for each in await _offered(ctx, Kind.VM) if each.os_type not in excluded]
    wanted = [each for each in offered if disabled or not each.disabled]
    shown = _shown(ctx, wanted[offset : offset + limit], include_prices=include_prices)
    return Page(count=len(wanted), results=shown)


@get(f"{INSTANCES}/{{instance_id:str}}/available_flavors", opt=READ, tags=["Instances"])
async def list_instance_flavors(
    ctx: Ctx,
    instance_id: FromPath[str],
    include_prices: FromQuery[bool] = False,
) -> Page[ListedFlavor | PricedFlavor]:
    """List the flavors that an instance could be changed to: of its kind, and fit for what it boots from."""
    async with ctx.db.scan() as tx:
        instance = await instances.get(tx, ctx.place, instance_id)
        boots = await _booting(tx, ctx, await attachments.boot_volume(tx, instance_id))
    fitting = [each for each in ctx.catalogue.flavors if each.kind == instance.kind and each.id != instance.flavor_id]
    return _page(ctx, fitting, [boots], include_prices=include_prices)


@post(f"{INSTANCES}/available_flavors", opt=READ, status_code=200, tags=["Instances"])
async def list_flavors_for_volumes(
    ctx: Ctx,
    data: JSONBody[SuitableFlavorsRequest],
    include_prices: FromQuery[bool] = False,
) -> Page[ListedFlavor | PricedFlavor]:
    """List the flavors that an instance with these volumes could have."""
    offered = await _offered(ctx, Kind.VM)
    async with ctx.db.scan() as tx:
        boots = [await _from(tx, ctx, volume) for volume in data.volumes]
    return _page(ctx, offered, boots, include_prices=include_prices)


def _page(
    ctx: RequestContext, offered: Iterable[Flavor], boots: list[Boots], *, include_prices: bool
) -> Page[ListedFlavor | PricedFlavor]:
    fitting = [
        each
        for each in offered
        if not each.disabled and not any(misfit(each, image, template) for image, template in boots)
    ]
    return Page(count=len(fitting), results=_shown(ctx, fitting, include_prices=include_prices))


def _shown(
    ctx: RequestContext, flavors: Iterable[Flavor], *, include_prices: bool
) -> list[ListedFlavor | PricedFlavor]:
    if include_prices:
        return [PricedFlavor.priced(flavor, ctx.catalogue.currency) for flavor in flavors]
    return [ListedFlavor.of(flavor) for flavor in flavors]


async def _offered(ctx: RequestContext, kind: Kind) -> list[Flavor]:
    ctx.region()
    async with ctx.db.read() as tx:
        await projects.require(tx, ctx.place)
    return [flavor for flavor in ctx.catalogue.flavors if flavor.kind == kind]


async def _from(tx: Tx, ctx: RequestContext, volume: CandidateVolume) -> Boots:
    """What a volume that is thought of would boot; raises NotFound for what is not there."""
    if volume.image_id is not None:
        return await images.get(tx, ctx.place, volume.image_id), None
    if volume.volume_id is not None:
        return await _booting(tx, ctx, await volumes.get(tx, ctx.place, volume.volume_id))
    if volume.snapshot_id is not None:
        snapshot = await snapshots.get(tx, ctx.place, volume.snapshot_id)
        return await _booting(tx, ctx, await volumes.find(tx, snapshot.volume_id))
    if volume.apptemplate_id is None:
        return None, None
    template = ctx.catalogue.app_template(volume.apptemplate_id)
    if template is None:
        raise not_found("App template", volume.apptemplate_id)
    return await images.find(tx, image_id(ctx.place.region_id, template.image_name)), template


async def _booting(tx: Tx, ctx: RequestContext, volume: Volume | None) -> Boots:
    """What is on a volume."""
    if volume is None:
        return None, None
    image = await images.find(tx, volume.image_id) if volume.image_id else None
    return image, ctx.catalogue.app_template(volume.apptemplate_id) if volume.apptemplate_id else None


ROUTES = [list_flavors, list_instance_flavors, list_flavors_for_volumes]
