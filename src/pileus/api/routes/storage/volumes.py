"""Volumes: list, make, look at, change and delete them."""

from collections.abc import Iterable

from litestar import delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody

from pileus.api.auth import READ, WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.paging import Limit, Offset
from pileus.api.routes.metadata import TaggedResource, metadata_routes
from pileus.api.routes.storage.volume_views import show
from pileus.api.wire.paging import Page
from pileus.api.wire.storage.volume_requests import CreateVolume, UpdateVolume
from pileus.api.wire.storage.volume_views import VolumeView
from pileus.api.wire.tags import parse_tag_filter
from pileus.api.wire.tasks import TaskIds
from pileus.domain.compute.instance_orders import NewVolume
from pileus.domain.storage.new_volumes import plan_volume
from pileus.domain.storage.volumes import Volume
from pileus.domain.tags import Tag
from pileus.services.account.request_quotas import check_quotas
from pileus.services.compute.order_sources import resolve_volume_sources
from pileus.services.storage.volume_attachments import add_attachment, lock_snapshots_for_deletion
from pileus.store import tags
from pileus.store.account import projects
from pileus.store.database import Tx
from pileus.store.storage import lifecycle_policies, volume_details, volumes

ALL = "/cloud/v1/volumes/{project_id:int}/{region_id:int}"
ONE = f"{ALL}/{{volume_id:str}}"
NOUN = TaggedResource(
    path=ONE,
    parameter="volume_id",
    tag="Volumes",
    name="Volume",
    kind=volumes.KIND,
    group="volume",
    get=volumes.get,
)


@get(ALL, opt=READ, tags=["Volumes"])
async def list_volumes(  # each is a parameter of the operation
    ctx: Ctx,
    instance_id: FromQuery[str | None] = None,
    bootable: FromQuery[bool | None] = None,
    has_attachments: FromQuery[bool | None] = None,
    id_part: FromQuery[str | None] = None,
    name_part: FromQuery[str | None] = None,
    cluster_id: FromQuery[str | None] = None,
    tag_key: FromQuery[list[str] | None] = None,
    tag_key_value: FromQuery[str | None] = None,
    limit: Limit = 1000,
    offset: Offset = 0,
) -> Page[VolumeView]:
    """List volumes, the latest first; parts of ids and names may be in letters of any case.

    `tag_key` and `tag_key_value` (a map as JSON) ask for all of their tags; `cluster_id` for the tag of that name.
    """
    wanted = volumes.VolumeFilter(
        instance_id=instance_id,
        bootable=bootable,
        has_attachments=has_attachments,
        id_part=id_part,
        name_part=name_part,
        cluster_id=cluster_id,
        tag_keys=tag_key,
        tag_pairs=parse_tag_filter(tag_key_value),
    )
    return await _page(ctx, wanted, limit, offset)


@post(ALL, opt=WRITE, status_code=200, tags=["Volumes"])
async def create_volume(ctx: Ctx, data: JSONBody[CreateVolume]) -> TaskIds:
    """Make a volume: a blank one, one with an image on it, or one with what a snapshot holds.

    One from a snapshot has its size, and the type of its volume unless `type_name` says otherwise; only types that take
    snapshots can. With `instance_id_to_attach_to` it is attached in the same task, under `attachment_tag` if that is
    given; `lifecycle_policy_ids` put it into policies, which take snapshots of it. A task that fails leaves nothing
    behind.
    """
    ctx.region()
    task_id, ordered, instance_id = ctx.new_id(), data.ordered(), data.instance_id_to_attach_to or None

    async def write(tx: Tx) -> None:
        await projects.require_open(tx, ctx.place)
        volume, its = await _planned(tx, ctx, ordered, task_id)
        await volumes.add(tx, volume)
        await tags.add(tx, volumes.KIND, ctx.place, volume.id, its)
        await _scheduled(tx, ctx, volume, data.lifecycle_policy_ids or [])
        if instance_id:
            await add_attachment(tx, ctx, volume, instance_id, task_id, tag=ordered.attachment_tag)
        args = {"volume_id": volume.id, "instance_id": instance_id}
        told = {"name": volume.name, "size": volume.size, "type_name": volume.type_name, "source": ordered.source}
        await ctx.start_task(tx, "create_volume", task_id, args, data={**args, **told})
        await ctx.audit(tx, "volume", "create", volume.id, data=told, task_id=task_id)

    await ctx.db.write(write)
    ctx.app.wake_engine()
    return TaskIds(tasks=[task_id])


@get(ONE, opt=READ, tags=["Volumes"])
async def get_volume(ctx: Ctx, volume_id: FromPath[str]) -> VolumeView:
    """Show a volume, with where it hangs, its snapshots and how fast it may be."""
    async with ctx.db.read() as tx:
        volume = await volumes.get(tx, ctx.place, volume_id)
        return show(ctx.app, volume, await volume_details.of(tx, volume))


@patch(ONE, opt=WRITE, tags=["Volumes"])
async def update_volume(ctx: Ctx, volume_id: FromPath[str], data: JSONBody[UpdateVolume]) -> VolumeView:
    """Rename a volume or change its tags, by JSON merge patch (RFC 7386).

    A tag with a value is set, a tag with null is removed, tags not named stay; `"tags": null` removes all.
    Read-only tags always stay as they are. While a task holds the volume the answer is 409.
    """
    change = data.patch()

    async def write(tx: Tx) -> VolumeView:
        before = await volumes.get(tx, ctx.place, volume_id)
        after = await volumes.save(tx, before, before.patched(change, ctx.now()))
        if "tags" in change:
            await tags.patch(tx, volumes.KIND, ctx.place, volume_id, change["tags"])
        await ctx.audit(tx, "volume", "update", volume_id, data=dict(change), name=after.name)
        return show(ctx.app, after, await volume_details.of(tx, after))

    return await ctx.db.write(write)


@delete(ONE, opt=WRITE, status_code=200, tags=["Volumes"])
async def delete_volume(ctx: Ctx, volume_id: FromPath[str], snapshots: FromQuery[str | None] = None) -> TaskIds:
    """Delete a volume that is available, and all its snapshots with it.

    `snapshots` may name them, with commas between their ids: one that is not of this volume stops the deletion.
    """
    task_id, named = ctx.new_id(), [each.strip() for each in (snapshots or "").split(",") if each.strip()]

    async def write(tx: Tx) -> None:
        before = await volumes.get(tx, ctx.place, volume_id)
        await volumes.save(tx, before, before.deleting(task_id, ctx.now()))
        await lock_snapshots_for_deletion(tx, ctx, volume_id, named, task_id)
        args = {"volume_id": volume_id}
        await ctx.start_task(tx, "delete_volume", task_id, args)
        await ctx.audit(tx, "volume", "delete", volume_id, task_id=task_id, name=before.name)

    await ctx.db.write(write)
    ctx.app.wake_engine()
    return TaskIds(tasks=[task_id])


async def _page(ctx: RequestContext, wanted: volumes.VolumeFilter, limit: int, offset: int) -> Page[VolumeView]:
    ctx.region()
    async with ctx.db.scan() as tx:
        place = await projects.require(tx, ctx.place)
        count, listed = await volumes.page(tx, place, wanted, limit=limit, offset=offset)
        parts = await volume_details.of_each(tx, listed)
    return Page(count=count, results=[show(ctx.app, volume, parts[volume.id]) for volume in listed])


async def _planned(tx: Tx, ctx: RequestContext, ordered: NewVolume, task_id: str) -> tuple[Volume, dict[str, Tag]]:
    """The volume to be made, if it can be and the quotas allow it."""
    sources = await resolve_volume_sources(tx, ctx, [ordered])
    volume, its = plan_volume(ordered, sources, ctx, task_id)
    asked = {"volume_count": 1, "volume_size": volume.size}
    await check_quotas(tx, ctx, asked)
    return volume, its


async def _scheduled(tx: Tx, ctx: RequestContext, volume: Volume, policy_ids: Iterable[int]) -> None:
    """Put a volume into lifecycle policies; raises NotFound."""
    for policy_id in dict.fromkeys(policy_ids):
        policy = await lifecycle_policies.get(tx, ctx.place, policy_id)
        await lifecycle_policies.include(tx, policy.id, [volume.id])


ROUTES = [list_volumes, create_volume, get_volume, update_volume, delete_volume, *metadata_routes(NOUN)]
