"""Images that servers are made from: the catalogue's and a project's own."""

from collections.abc import Iterable
from typing import Literal

from litestar import get
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery
from msgspec.structs import replace

from pileus.api.auth import READ
from pileus.api.call import Call, Here
from pileus.api.paging import Limit, Offset
from pileus.api.wire.images import ImageView
from pileus.api.wire.paging import Page
from pileus.api.wire.tags import pairs
from pileus.domain.images import Image
from pileus.domain.tags import Tag
from pileus.store import images, projects, tags
from pileus.store.images import Wanted

ALL = "/cloud/v1/images/{project_id:int}/{region_id:int}"
ONE = f"{ALL}/{{image_id:str}}"


def wanted_images(  # noqa: PLR0913, PLR0917  # each is a parameter of the operation
    visibility: FromQuery[Literal["private", "public", "shared"] | None] = None,
    private: FromQuery[str | None] = None,
    name: FromQuery[str | None] = None,
    architecture: FromQuery[Literal["aarch64", "x86_64"] | None] = None,
    os_distro: FromQuery[str | None] = None,
    os_version: FromQuery[str | None] = None,
    tag_key: FromQuery[list[str] | None] = None,
    tag_key_value: FromQuery[str | None] = None,
) -> Wanted:
    """Gather the filters of a list of images."""
    return Wanted(
        visibility=visibility,
        private=private is not None,
        name=name,
        architecture=architecture,
        os_distro=os_distro,
        os_version=os_version,
        tag_keys=tag_key,
        tag_pairs=pairs(tag_key_value),
    )


FILTERED = {"wanted": Provide(wanted_images, sync_to_thread=False)}


@get(ALL, opt=READ, dependencies=FILTERED, tags=["Images"])
async def list_images(
    call: Here,
    wanted: NamedDependency[Wanted],
    include_prices: FromQuery[bool] = False,  # noqa: FBT002  # a parameter of the operation
    limit: Limit = 1000,
    offset: Offset = 0,
) -> Page[ImageView]:
    """List the images for virtual machines: the public ones, and the project's own.

    `private`, with any value, leaves only the project's own. `name` is a part of the name; it, `os_distro` and
    `os_version` may be in letters of any case. `tag_key` and `tag_key_value` (a map as JSON) ask for all of their tags.
    """
    call.region()
    async with call.db.scan() as tx:
        place = await projects.present(tx, call.place)
        virtual = replace(wanted, baremetal=False)
        count, found = await images.page(tx, place, virtual, limit=limit, offset=offset)
        its = await tags.of_each(tx, [image.id for image in found])
    results = [show(call, image, its[image.id], with_prices=include_prices) for image in found]
    return Page(count=count, results=results)


@get(ONE, opt=READ, tags=["Images"])
async def get_image(call: Here, image_id: FromPath[str], include_prices: FromQuery[bool] = False) -> ImageView:  # noqa: FBT002
    """Show an image, with what it costs if `include_prices` is true."""
    async with call.db.read() as tx:
        image = await images.get(tx, await projects.present(tx, call.place), image_id)
        return show(call, image, (await tags.of(tx, image.id)).values(), with_prices=include_prices)


def show(call: Call, image: Image, its: Iterable[Tag], *, with_prices: bool) -> ImageView:
    """Show an image; the catalogue has no prices of images, so keeping one costs nothing."""
    view = ImageView.of(image, its, call.region().display_name, call.place.project_id)
    if not with_prices:
        return view
    free = {"price_per_hour": 0.0, "price_per_month": 0.0}
    return replace(view, currency_code=call.cloud.catalogue.currency, price_status="show", **free)


ROUTES = [list_images, get_image]
