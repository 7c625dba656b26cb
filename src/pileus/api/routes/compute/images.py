"""Routes of images."""

from collections.abc import Iterable
from typing import Literal

from litestar import delete, get, patch, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec.structs import replace

from pileus.api.authorization import READ, WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.paging import LARGEST, Limit, Offset
from pileus.api.routes.metadata import MetadataRouteConfig, make_metadata_routes
from pileus.api.tag_filters import TagFilterParameter
from pileus.api.wire.account.prices import ResourcePrice
from pileus.api.wire.compute.image_requests import CreateImageFromVolume, DownloadImage, ImagePriceRequest, UpdateImage
from pileus.api.wire.compute.images import ImageView
from pileus.api.wire.paging import Page
from pileus.api.wire.tasks import TaskIds
from pileus.domain.account import prices
from pileus.domain.compute.images import Image
from pileus.domain.tags import Tag
from pileus.services.compute import images as image_service
from pileus.store import tags
from pileus.store.account import projects
from pileus.store.compute import images
from pileus.store.compute.images import ImageFilter
from pileus.store.loop_turns import build_in_turns

HERE = "{project_id:int}/{region_id:int}"
ALL = f"/cloud/v1/images/{HERE}"
ALL_BAREMETAL = f"/cloud/v1/bmimages/{HERE}"
ONE = f"{ALL}/{{image_id:str}}"
IMAGE = MetadataRouteConfig(
    path=ONE,
    tag="Images",
    kind=images.KIND,
    group="image",
    get=images.get,
    lock=images.TABLE.lock,
    get_own=images.get_own,
)


def parse_image_filter(
    tag_filter: TagFilterParameter,
    visibility: FromQuery[Literal["private", "public", "shared"] | None] = None,
    private: FromQuery[str | None] = None,
    name: FromQuery[str | None] = None,
    architecture: FromQuery[Literal["aarch64", "x86_64"] | None] = None,
    os_distro: FromQuery[str | None] = None,
    os_version: FromQuery[str | None] = None,
) -> ImageFilter:
    """Read the query parameters of a list of images."""
    return ImageFilter(
        visibility=visibility,
        private=private is not None,
        name=name,
        architecture=architecture,
        os_distro=os_distro,
        os_version=os_version,
        tag_keys=tag_filter.keys,
        tag_pairs=tag_filter.pairs,
    )


FILTER_DEPENDENCIES = {"image_filter": Provide(parse_image_filter, sync_to_thread=False)}


@get(ALL, opt=READ, dependencies=FILTER_DEPENDENCIES, tags=["Images"])
async def list_images(
    ctx: Ctx,
    image_filter: NamedDependency[ImageFilter],
    include_prices: FromQuery[bool] = False,
    limit: Limit = 1000,
    offset: Offset = 0,
) -> Page[ImageView]:
    """List the images for virtual machines: the public images and those of the project.

    `private` with any value restricts the list to images of the project. `name` matches a part of the name; `name`,
    `os_distro` and `os_version` ignore case. `tag_key` and `tag_key_value` (a JSON object): an image matches if it has
    all of these tags.
    """
    return await _page(ctx, replace(image_filter, baremetal=False), limit, offset, with_prices=include_prices)


@get(ALL_BAREMETAL, opt=READ, dependencies=FILTER_DEPENDENCIES, tags=["Images"])
async def list_baremetal_images(
    ctx: Ctx,
    image_filter: NamedDependency[ImageFilter],
    include_prices: FromQuery[bool] = False,
    limit: Limit = 1000,
    offset: Offset = 0,
) -> Page[ImageView]:
    """List the images for bare metal servers: the public images and those of the project.

    The filters are those of the list of images for virtual machines.
    """
    return await _page(ctx, replace(image_filter, baremetal=True), limit, offset, with_prices=include_prices)


@get(f"/cloud/v1/projectimages/{HERE}", opt=READ, tags=["Images"])
async def list_project_images(ctx: Ctx, include_prices: FromQuery[bool] = False) -> Page[ImageView]:
    """List the images of the project, for virtual machines and for bare metal servers."""
    return await _page(ctx, ImageFilter(own=True), LARGEST, 0, with_prices=include_prices)


@post(ALL, opt=WRITE, status_code=200, tags=["Images"])
async def create_image(ctx: Ctx, data: JSONBody[CreateImageFromVolume]) -> TaskIds:
    """Create an image from a bootable volume, attached or not. Avoid writes to the volume during the task.

    The volume is `uploading` and locked by the task. A task that fails leaves nothing behind.
    """
    return await _create_image(ctx, data)


@post(ALL_BAREMETAL, opt=WRITE, status_code=200, tags=["Images"])
async def create_baremetal_image(ctx: Ctx, data: JSONBody[CreateImageFromVolume]) -> TaskIds:
    """Create an image for bare metal servers from a bootable volume; `is_baremetal` in the body is ignored."""
    return await _create_image(ctx, replace(data, is_baremetal=True))


@post(f"/cloud/v1/downloadimage/{HERE}", opt=WRITE, status_code=200, tags=["Images"])
async def download_image(ctx: Ctx, data: JSONBody[DownloadImage]) -> TaskIds:
    """Download an image from an http or https URL.

    The data of the task show the bytes received (`downloaded`), the size (`total`), and at the end the `checksum`.
    Format, size and `min_disk` are read from the image. If the server sends a checksum (`Repr-Digest`), the image must
    match it. Redirects are followed, but not from https to http. Size and time are limited, and only public addresses
    are allowed, unless the operator has configured otherwise.
    """
    return await ctx.submit_task(
        lambda tx, task_id: image_service.download_image(
            tx, ctx, data.to_new_image(), data.require_valid_url(), task_id
        )
    )


@get(ONE, opt=READ, tags=["Images"])
async def get_image(ctx: Ctx, image_id: FromPath[str], include_prices: FromQuery[bool] = False) -> ImageView:
    """Get an image, with its price if `include_prices` is true."""
    async with ctx.db.read() as tx:
        image = await images.get(tx, await projects.require_existing(tx, ctx.place), image_id)
        image_tags = await tags.list_by_resource(tx, image.id)
    return _image_view(ctx, image, image_tags.values(), with_prices=include_prices)


@patch(ONE, opt=WRITE, tags=["Images"])
async def update_image(ctx: Ctx, image_id: FromPath[str], data: JSONBody[UpdateImage]) -> ImageView:
    """Change the name, the properties and the tags of an image of the project, by JSON merge patch (RFC 7386).

    A tag with a value is set, a tag with null is removed, and other tags do not change; unlike for other resources,
    `"tags": null` is invalid. The response is 409 while a task has locked the image, and 403 for a public image.
    """
    image, image_tags = await ctx.write(lambda tx: image_service.update_image(tx, ctx, image_id, data.to_patch()))
    return _image_view(ctx, image, [image_tags[key] for key in sorted(image_tags)], with_prices=False)


@delete(ONE, opt=WRITE, status_code=200, tags=["Images"])
async def delete_image(ctx: Ctx, image_id: FromPath[str]) -> TaskIds:
    """Delete an image of the project. Volumes and servers that were created from it stay.

    The response is 409 while a volume or server is being created from the image, and for an image of `cow_format` while
    volumes that were created from it exist. The response is 403 for a public image.
    """
    return await ctx.submit_task(lambda tx, task_id: image_service.delete_image(tx, ctx, image_id, task_id))


@post(f"/cloud/v1/pricing/{HERE}/images", opt=READ, status_code=200, tags=["Images"])
async def preview_image_price(ctx: Ctx, data: JSONBody[ImagePriceRequest]) -> ResourcePrice:
    """Preview the price of an image by its size in bytes."""
    ctx.require_region()
    async with ctx.db.read() as tx:
        await projects.require_existing(tx, ctx.place)
    return ResourcePrice.of(prices.image_price(ctx.catalogue, data.size), ctx.catalogue)


async def _create_image(ctx: RequestContext, data: CreateImageFromVolume) -> TaskIds:
    return await ctx.submit_task(
        lambda tx, task_id: image_service.create_image_from_volume(
            tx, ctx, data.to_new_image(), data.volume_id, task_id
        )
    )


async def _page(
    ctx: RequestContext, image_filter: ImageFilter, limit: int, offset: int, *, with_prices: bool
) -> Page[ImageView]:
    ctx.require_region()
    async with ctx.db.scan() as tx:
        place = await projects.require_existing(tx, ctx.place)
        count, page = await images.page(tx, place, image_filter, limit=limit, offset=offset)
        tags_by_image = await tags.list_by_resources(tx, [image.id for image in page])
    views = await build_in_turns(
        _image_view(ctx, image, tags_by_image[image.id], with_prices=with_prices) for image in page
    )
    return Page(count=count, results=views)


def _image_view(ctx: RequestContext, image: Image, image_tags: Iterable[Tag], *, with_prices: bool) -> ImageView:
    view = ImageView.of(image, image_tags, ctx.require_region().display_name, ctx.place.project_id)
    if not with_prices:
        return view
    is_public = image.client_id is None
    price = prices.image_price(ctx.catalogue, 0 if is_public else image.size or 0)
    return replace(
        view,
        currency_code=ctx.catalogue.currency,
        price_status="show",
        price_per_hour=float(prices.round_to_six_places(price.per_hour)),
        price_per_month=float(prices.round_to_six_places(price.per_month)),
    )


ROUTES = [
    list_images,
    list_baremetal_images,
    list_project_images,
    create_image,
    create_baremetal_image,
    download_image,
    get_image,
    update_image,
    delete_image,
    preview_image_price,
    *make_metadata_routes(IMAGE),
]
