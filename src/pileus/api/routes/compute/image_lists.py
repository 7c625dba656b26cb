"""Lists of images: those for virtual machines, those for bare metal, and a project's own."""

from typing import Literal

from litestar import get
from litestar.di import NamedDependency, Provide
from litestar.params import FromQuery
from msgspec.structs import replace

from pileus.api.auth import READ
from pileus.api.context import Ctx, RequestContext
from pileus.api.paging import LARGEST, Limit, Offset
from pileus.api.routes.compute.image_views import show
from pileus.api.wire.compute.images import ImageView
from pileus.api.wire.paging import Page
from pileus.api.wire.tags import parse_tag_filter
from pileus.store import tags
from pileus.store.account import projects
from pileus.store.compute import images
from pileus.store.compute.images import ImageFilter

HERE = "{project_id:int}/{region_id:int}"


def wanted_images(  # each is a parameter of the operation
    visibility: FromQuery[Literal["private", "public", "shared"] | None] = None,
    private: FromQuery[str | None] = None,
    name: FromQuery[str | None] = None,
    architecture: FromQuery[Literal["aarch64", "x86_64"] | None] = None,
    os_distro: FromQuery[str | None] = None,
    os_version: FromQuery[str | None] = None,
    tag_key: FromQuery[list[str] | None] = None,
    tag_key_value: FromQuery[str | None] = None,
) -> ImageFilter:
    """Gather the filters of a list of images."""
    return ImageFilter(
        visibility=visibility,
        private=private is not None,
        name=name,
        architecture=architecture,
        os_distro=os_distro,
        os_version=os_version,
        tag_keys=tag_key,
        tag_pairs=parse_tag_filter(tag_key_value),
    )


FILTERED = {"wanted": Provide(wanted_images, sync_to_thread=False)}


@get(f"/cloud/v1/images/{HERE}", opt=READ, dependencies=FILTERED, tags=["Images"])
async def list_images(
    ctx: Ctx,
    wanted: NamedDependency[ImageFilter],
    include_prices: FromQuery[bool] = False,  # a parameter of the operation
    limit: Limit = 1000,
    offset: Offset = 0,
) -> Page[ImageView]:
    """List the images for virtual machines: the public ones, and the project's own.

    `private`, with any value, leaves only the project's own. `name` is a part of the name; it, `os_distro` and
    `os_version` may be in letters of any case. `tag_key` and `tag_key_value` (a map as JSON) ask for all of their tags.
    """
    return await _page(ctx, replace(wanted, baremetal=False), limit, offset, with_prices=include_prices)


@get(f"/cloud/v1/bmimages/{HERE}", opt=READ, dependencies=FILTERED, tags=["Images"])
async def list_baremetal_images(
    ctx: Ctx,
    wanted: NamedDependency[ImageFilter],
    include_prices: FromQuery[bool] = False,  # a parameter of the operation
    limit: Limit = 1000,
    offset: Offset = 0,
) -> Page[ImageView]:
    """List the images for bare metal servers: the public ones, and the project's own. Filters are those of images."""
    return await _page(ctx, replace(wanted, baremetal=True), limit, offset, with_prices=include_prices)


@get(f"/cloud/v1/projectimages/{HERE}", opt=READ, tags=["Images"])
async def list_project_images(
    ctx: Ctx,
    include_prices: FromQuery[bool] = False,  # a parameter of the operation
) -> Page[ImageView]:
    """List the images that are the project's own: for virtual machines and for bare metal."""
    return await _page(ctx, ImageFilter(own=True), LARGEST, 0, with_prices=include_prices)


async def _page(
    ctx: RequestContext, wanted: ImageFilter, limit: int, offset: int, *, with_prices: bool
) -> Page[ImageView]:
    ctx.region()
    async with ctx.db.scan() as tx:
        place = await projects.require(tx, ctx.place)
        count, found = await images.page(tx, place, wanted, limit=limit, offset=offset)
        its = await tags.of_each(tx, [image.id for image in found])
    return Page(count=count, results=[show(ctx, image, its[image.id], with_prices=with_prices) for image in found])


ROUTES = [list_images, list_baremetal_images, list_project_images]
