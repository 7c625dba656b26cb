"""Snapshots of volumes: list, create, read, update and delete them."""

from collections.abc import Sequence

from litestar import delete, get, patch, post, put
from litestar.params import FromPath, FromQuery, JSONBody

from pileus.api.authorization import READ, WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.paging import Id, Limit, Offset
from pileus.api.routes.storage.volume_views import snapshot_view
from pileus.api.tag_filters import TagFilterParameter
from pileus.api.wire.paging import Page
from pileus.api.wire.storage.snapshot_requests import CreateSnapshot, replacement_tags
from pileus.api.wire.storage.snapshots import SnapshotView
from pileus.api.wire.storage.volume_requests import UpdateVolume
from pileus.api.wire.tags import TagChanges
from pileus.api.wire.tasks import TaskIds
from pileus.domain.storage.volumes import Snapshot
from pileus.services.storage import snapshots as snapshot_service
from pileus.store import tags
from pileus.store.account import projects
from pileus.store.database import Tx
from pileus.store.loop_turns import build_in_turns
from pileus.store.storage import snapshots

ALL = "/cloud/v1/snapshots/{project_id:int}/{region_id:int}"
ONE = f"{ALL}/{{snapshot_id:str}}"


@get(ALL, opt=READ, tags=["Snapshots"])
async def list_snapshots(
    ctx: Ctx,
    tag_filter: TagFilterParameter,
    volume_id: FromQuery[str | None] = None,
    instance_id: FromQuery[str | None] = None,
    schedule_id: FromQuery[str | None] = None,
    lifecycle_policy_id: FromQuery[Id | None] = None,
    limit: Limit = 1000,
    offset: Offset = 0,
) -> Page[SnapshotView]:
    """List snapshots, the latest first.

    Filter them by volume, by the instance that their volume is attached to, or by the schedule or the lifecycle policy
    that took them. A snapshot must have all tags of `tag_key` and of `tag_key_value`, a map as JSON.
    """
    snapshot_filter = snapshots.SnapshotFilter(
        volume_id=volume_id,
        instance_id=instance_id,
        schedule_id=schedule_id,
        lifecycle_policy_id=lifecycle_policy_id,
        tag_keys=tag_filter.keys,
        tag_pairs=tag_filter.pairs,
    )
    ctx.require_region()
    async with ctx.db.scan() as tx:
        place = await projects.require_existing(tx, ctx.place)
        count, page = await snapshots.page(tx, place, snapshot_filter, limit=limit, offset=offset)
        return Page(count=count, results=await _build_views(tx, ctx, page))


@post(ALL, opt=WRITE, status_code=200, tags=["Snapshots"])
async def create_snapshot(ctx: Ctx, data: JSONBody[CreateSnapshot]) -> TaskIds:
    """Take a snapshot of a volume, also while the volume is attached. If the task fails, nothing remains."""
    ctx.require_region()
    tag_values = data.effective_tags()
    return await ctx.submit_task(
        lambda tx, task_id: snapshot_service.create_snapshot(
            tx, ctx, data.volume_id, data.name, task_id, description=data.description, tag_values=tag_values
        )
    )


@get(ONE, opt=READ, tags=["Snapshots"])
async def get_snapshot(ctx: Ctx, snapshot_id: FromPath[str]) -> SnapshotView:
    """Get a snapshot."""
    async with ctx.db.read() as tx:
        snapshot = await snapshots.get(tx, ctx.place, snapshot_id)
        return snapshot_view(ctx.app, snapshot, (await tags.list_by_resource(tx, snapshot.id)).values())


@patch(ONE, opt=WRITE, tags=["Snapshots"])
async def update_snapshot(ctx: Ctx, snapshot_id: FromPath[str], data: JSONBody[UpdateVolume]) -> SnapshotView:
    """Rename a snapshot or change its tags, by JSON merge patch (RFC 7386).

    A tag with a value is set, a tag with null is removed, other tags do not change; `"tags": null` removes all tags.
    Read-only tags never change. The answer is 409 while a task has locked the snapshot.
    """
    snapshot_patch = data.to_patch()
    snapshot, new_tags = await ctx.write(
        lambda tx: snapshot_service.update_snapshot(tx, ctx, snapshot_id, snapshot_patch)
    )
    return snapshot_view(ctx.app, snapshot, [new_tags[key] for key in sorted(new_tags)])


@put(f"{ONE}/metadata", opt=WRITE, deprecated=True, tags=["Snapshots"])
async def replace_snapshot_metadata(ctx: Ctx, snapshot_id: FromPath[str], data: JSONBody[TagChanges]) -> SnapshotView:
    """Replace all tags of a snapshot that are not read-only. A tag with null counts as absent.

    Deprecated: use PATCH on the snapshot.
    """
    tag_values = replacement_tags(data)
    snapshot, new_tags = await ctx.write(
        lambda tx: snapshot_service.replace_snapshot_metadata(tx, ctx, snapshot_id, tag_values)
    )
    return snapshot_view(ctx.app, snapshot, [new_tags[key] for key in sorted(new_tags)])


@delete(ONE, opt=WRITE, status_code=200, tags=["Snapshots"])
async def delete_snapshot(ctx: Ctx, snapshot_id: FromPath[str]) -> TaskIds:
    """Delete a snapshot. Volumes that were created from it remain."""
    return await ctx.submit_task(lambda tx, task_id: snapshot_service.delete_snapshot(tx, ctx, snapshot_id, task_id))


async def _build_views(tx: Tx, ctx: RequestContext, page: Sequence[Snapshot]) -> list[SnapshotView]:
    tags_by_id = await tags.list_by_resources(tx, [snapshot.id for snapshot in page])
    return await build_in_turns(snapshot_view(ctx.app, snapshot, tags_by_id[snapshot.id]) for snapshot in page)


ROUTES = [
    list_snapshots, create_snapshot, get_snapshot, update_snapshot, replace_snapshot_metadata, delete_snapshot,
]  # fmt: skip
