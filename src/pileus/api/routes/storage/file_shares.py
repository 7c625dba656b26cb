"""File shares: list, create, read, update, extend and delete them."""

from typing import Literal

from litestar import delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody

from pileus.api.authorization import READ, WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.paging import Limit, Offset
from pileus.api.routes.metadata import MetadataRouteConfig, make_metadata_routes
from pileus.api.wire.account.prices import ResourcePrice
from pileus.api.wire.account.quotas import ExceededQuotas
from pileus.api.wire.paging import Page
from pileus.api.wire.storage.file_share_requests import (
    CreateFileShare,
    ExtendFileShare,
    FileSharePriceRequest,
    FileShareQuotaCheckRequest,
    UpdateFileShare,
)
from pileus.api.wire.storage.file_shares import FileShareView
from pileus.api.wire.tasks import TaskIds
from pileus.domain.account import prices
from pileus.domain.errors import NotOffered, Unavailable, invalid
from pileus.domain.storage.file_shares import check_type_offered
from pileus.drivers.protocols.storage import LimitsFileShares, SupportsFileShares
from pileus.services.account.quotas import list_exceeded_quotas
from pileus.services.storage import file_shares as file_share_service
from pileus.store import tags
from pileus.store.account import projects
from pileus.store.loop_turns import build_in_turns
from pileus.store.storage import file_shares

PLACE = "{project_id:int}/{region_id:int}"
ALL = f"/cloud/v1/file_shares/{PLACE}"
ONE = f"{ALL}/{{file_share_id:str}}"


def require_file_shares(ctx: RequestContext) -> SupportsFileShares:
    """Return the driver of file shares. Raises NotOffered if it has none."""
    driver = ctx.driver
    if not isinstance(driver, SupportsFileShares):
        raise NotOffered(
            "The driver of this region has no file shares: export a directory of an instance over NFS instead, or use a"
            " driver with file shares, such as the simulated one"
        )
    return driver


async def check_file_share_is_possible(ctx: RequestContext, type_name: str) -> None:
    """Raise if no file share of a type can be created in the region: Invalid if others can, else Unavailable.

    The text says what to do. Raises NotOffered if the region has no file shares at all.
    """
    driver = require_file_shares(ctx)
    if not isinstance(driver, LimitsFileShares) or not (obstacle := await driver.find_file_share_obstacle(type_name)):
        return
    for other_type in ctx.require_region().file_share_types:
        if await driver.find_file_share_obstacle(other_type) is None:
            raise invalid(type_name=obstacle)
    raise Unavailable(obstacle)


@get(ALL, opt=READ, tags=["File Shares"])
async def list_file_shares(
    ctx: Ctx,
    name: FromQuery[str | None] = None,
    type_name: FromQuery[Literal["ddn", "standard", "vast"] | None] = None,
    limit: Limit = 1000,
    offset: Offset = 0,
) -> Page[FileShareView]:
    """List file shares, the latest first. Filter them by their exact name or by their type."""
    region = ctx.require_region()
    async with ctx.db.scan() as tx:
        place = await projects.require_existing(tx, ctx.place)
        count, page = await file_shares.page(tx, place, name=name, type_name=type_name, limit=limit, offset=offset)
        networks = await file_shares.list_networks(tx, page)
        tags_by_id = await tags.list_by_resources(tx, [share.id for share in page])
    views = (FileShareView.of(share, networks[share.id], tags_by_id[share.id], region.display_name) for share in page)
    return Page(count=count, results=await build_in_turns(views))


@post(ALL, opt=WRITE, status_code=200, tags=["File Shares"])
async def create_file_share(ctx: Ctx, data: JSONBody[CreateFileShare]) -> TaskIds:
    """Create a file share. If the task fails, nothing remains.

    A standard file share gets an address in a private network. Nobody but the addresses of its access rules can mount
    it. A VAST file share is reached on the storage network of the region.
    """
    new, tag_values = data.to_new_share(), data.effective_tags()
    await check_file_share_is_possible(ctx, new.type_name)
    return await ctx.submit_task(
        lambda tx, task_id: file_share_service.create_file_share(tx, ctx, new, tag_values, task_id)
    )


@get(ONE, opt=READ, tags=["File Shares"])
async def get_file_share(ctx: Ctx, file_share_id: FromPath[str]) -> FileShareView:
    """Get a file share. `connection_point` is what a client mounts; it is null until the file share is created."""
    return await _read_view(ctx, file_share_id)


@patch(f"/cloud/v3/file_shares/{PLACE}/{{file_share_id:str}}", opt=WRITE, tags=["File Shares"])
async def update_file_share(ctx: Ctx, file_share_id: FromPath[str], data: JSONBody[UpdateFileShare]) -> TaskIds:
    """Rename a file share, or change its tags or its settings, by JSON merge patch (RFC 7386).

    A tag with a value is set, a tag with null is removed; `"tags": null` removes all tags that are not read-only.
    """
    share_patch = data.to_share_patch()
    return await ctx.submit_task(
        lambda tx, task_id: file_share_service.update_file_share(tx, ctx, file_share_id, share_patch, task_id)
    )


@patch(ONE, opt=WRITE, deprecated=True, tags=["File Shares"])
async def update_file_share_and_wait(
    ctx: Ctx, file_share_id: FromPath[str], data: JSONBody[UpdateFileShare]
) -> FileShareView:
    """Like version 3, but waits up to 25 seconds for the task and returns the file share.

    A standard file share ignores settings. Deprecated: use version 3.
    """
    share_patch = data.to_share_patch()
    await ctx.submit_task_and_wait(
        lambda tx, task_id: file_share_service.update_file_share(
            tx, ctx, file_share_id, share_patch, task_id, ignores_foreign_settings=True
        )
    )
    return await _read_view(ctx, file_share_id)


@delete(ONE, opt=WRITE, status_code=200, tags=["File Shares"])
async def delete_file_share(ctx: Ctx, file_share_id: FromPath[str]) -> TaskIds:
    """Delete a file share with its content and its access rules."""
    return await ctx.submit_task(
        lambda tx, task_id: file_share_service.delete_file_share(tx, ctx, file_share_id, task_id)
    )


@post(f"{ONE}/extend", opt=WRITE, status_code=200, tags=["File Shares"])
async def extend_file_share(ctx: Ctx, file_share_id: FromPath[str], data: JSONBody[ExtendFileShare]) -> TaskIds:
    """Extend a file share. It cannot shrink. Unmount a standard one first: its clients lose their handles."""
    return await ctx.submit_task(
        lambda tx, task_id: file_share_service.extend_file_share(tx, ctx, file_share_id, data.size, task_id)
    )


@post(f"{ALL}/check_limits", opt=READ, status_code=200, tags=["File Shares"])
async def check_file_share_limits(ctx: Ctx, data: JSONBody[FileShareQuotaCheckRequest]) -> ExceededQuotas:
    """Check which quotas a new file share would exceed.

    The response holds the requested amount, the limit and the usage of each exceeded quota; it is `{}` if there is
    none.
    """
    ctx.require_region()
    async with ctx.db.read() as tx:
        await projects.require_existing(tx, ctx.place)
        return await list_exceeded_quotas(tx, ctx, {"sfs_count": 1, "sfs_size": data.size})


@post(f"/cloud/v1/pricing/{PLACE}/file_shares", opt=READ, status_code=200, tags=["File Shares"])
async def preview_file_share_price(ctx: Ctx, data: JSONBody[FileSharePriceRequest]) -> ResourcePrice:
    """Get the price of a file share without creating it."""
    check_type_offered(ctx.require_region(), data.type_name)
    async with ctx.db.read() as tx:
        await projects.require_existing(tx, ctx.place)
    return ResourcePrice.of(prices.file_share_price(ctx.catalogue, data.size, data.type_name), ctx.catalogue)


async def _read_view(ctx: RequestContext, share_id: str) -> FileShareView:
    region = ctx.require_region()
    async with ctx.db.read() as tx:
        share = await file_shares.get(tx, ctx.place, share_id)
        networks = await file_shares.list_networks(tx, [share])
        share_tags = await tags.list_by_resource(tx, share_id)
    return FileShareView.of(share, networks[share_id], share_tags.values(), region.display_name)


METADATA = MetadataRouteConfig(
    kind=file_shares.KIND,
    group=file_share_service.GROUP,
    path=ONE,
    tag="File Shares",
    get=file_shares.get,
    lock=file_shares.TABLE.lock,
)
ROUTES = [
    list_file_shares, create_file_share, get_file_share, update_file_share, update_file_share_and_wait,
    delete_file_share, extend_file_share, check_file_share_limits, preview_file_share_price,
    *make_metadata_routes(METADATA),
]  # fmt: skip
