"""Volumes: list, create, read, update and delete them."""

from litestar import delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody

from pileus.api.authorization import READ, WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.paging import Limit, Offset
from pileus.api.routes.metadata import MetadataRouteConfig, make_metadata_routes
from pileus.api.routes.storage.volume_views import read_volume_view, volume_view
from pileus.api.tag_filters import TagFilterParameter
from pileus.api.wire.paging import Page
from pileus.api.wire.storage.volume_requests import CreateVolume, UpdateVolume
from pileus.api.wire.storage.volumes import VolumeView
from pileus.api.wire.tasks import TaskIds
from pileus.services.storage import volumes as volume_service
from pileus.store.account import projects
from pileus.store.database import Tx
from pileus.store.loop_turns import build_in_turns
from pileus.store.storage import volume_details, volumes

ALL = "/cloud/v1/volumes/{project_id:int}/{region_id:int}"
ONE = f"{ALL}/{{volume_id:str}}"
VOLUME = MetadataRouteConfig(
    path=ONE, tag="Volumes", kind=volumes.KIND, group="volume", get=volumes.get, lock=volumes.TABLE.lock
)


@get(ALL, opt=READ, tags=["Volumes"])
async def list_volumes(
    ctx: Ctx,
    tag_filter: TagFilterParameter,
    instance_id: FromQuery[str | None] = None,
    bootable: FromQuery[bool | None] = None,
    has_attachments: FromQuery[bool | None] = None,
    id_part: FromQuery[str | None] = None,
    name_part: FromQuery[str | None] = None,
    cluster_id: FromQuery[str | None] = None,
    limit: Limit = 1000,
    offset: Offset = 0,
) -> Page[VolumeView]:
    """List volumes, the latest first.

    `id_part` and `name_part` match parts of ids and names, regardless of case. A volume must have all tags of `tag_key`
    and of `tag_key_value`, a map as JSON. `cluster_id` matches the tag of that name.
    """
    volume_filter = volumes.VolumeFilter(
        instance_id=instance_id,
        bootable=bootable,
        has_attachments=has_attachments,
        id_part=id_part,
        name_part=name_part,
        cluster_id=cluster_id,
        tag_keys=tag_filter.keys,
        tag_pairs=tag_filter.pairs,
    )
    return await _page(ctx, volume_filter, limit, offset)


@post(ALL, opt=WRITE, status_code=200, tags=["Volumes"])
async def create_volume(ctx: Ctx, data: JSONBody[CreateVolume]) -> TaskIds:
    """Create a volume: an empty one, or one with the content of an image or a snapshot.

    A volume from a snapshot has the size of the snapshot and, unless `type_name` is given, the type of the snapshot's
    volume. Only types that support snapshots are allowed. With `instance_id_to_attach_to` the same task attaches the
    volume, under `attachment_tag` if that is given. `lifecycle_policy_ids` adds the volume to lifecycle policies, which
    take snapshots of it. If the task fails, nothing remains.
    """
    ctx.require_region()
    new_volume = data.to_new_volume()
    return await ctx.submit_task(
        lambda tx, task_id: volume_service.create_volume(
            tx,
            ctx,
            new_volume,
            task_id,
            instance_id=data.instance_id_to_attach_to or None,
            policy_ids=data.lifecycle_policy_ids or (),
        )
    )


@get(ONE, opt=READ, tags=["Volumes"])
async def get_volume(ctx: Ctx, volume_id: FromPath[str]) -> VolumeView:
    """Get a volume with its attachment, its snapshots and its speed limits."""
    return await read_volume_view(ctx, volume_id)


@patch(ONE, opt=WRITE, tags=["Volumes"])
async def update_volume(ctx: Ctx, volume_id: FromPath[str], data: JSONBody[UpdateVolume]) -> VolumeView:
    """Rename a volume or change its tags, by JSON merge patch (RFC 7386).

    A tag with a value is set, a tag with null is removed, other tags do not change; `"tags": null` removes all tags.
    Read-only tags never change. The answer is 409 while a task has locked the volume.
    """
    volume_patch = data.to_patch()

    async def write(tx: Tx) -> VolumeView:
        volume = await volume_service.update_volume(tx, ctx, volume_id, volume_patch)
        return volume_view(ctx.app, volume, await volume_details.get(tx, volume))

    return await ctx.write(write)


@delete(ONE, opt=WRITE, status_code=200, tags=["Volumes"])
async def delete_volume(
    ctx: Ctx,
    volume_id: FromPath[str],
    snapshots: FromQuery[str | None] = None,  # noqa: ARG001  # a published parameter without effect
) -> TaskIds:
    """Delete an available volume and all its snapshots. The ids in `snapshots` make no difference."""
    return await ctx.submit_task(lambda tx, task_id: volume_service.delete_volume(tx, ctx, volume_id, task_id))


async def _page(ctx: RequestContext, volume_filter: volumes.VolumeFilter, limit: int, offset: int) -> Page[VolumeView]:
    ctx.require_region()
    async with ctx.db.scan() as tx:
        place = await projects.require_existing(tx, ctx.place)
        count, page = await volumes.page(tx, place, volume_filter, limit=limit, offset=offset)
        details = await volume_details.get_many(tx, page)
    return Page(
        count=count, results=await build_in_turns(volume_view(ctx.app, volume, details[volume.id]) for volume in page)
    )


ROUTES = [list_volumes, create_volume, get_volume, update_volume, delete_volume, *make_metadata_routes(VOLUME)]
