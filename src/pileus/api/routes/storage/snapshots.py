"""Snapshots of volumes: list, take, look at, change and delete them."""

from litestar import delete, get, patch, post, put
from litestar.params import FromPath, FromQuery, JSONBody

from pileus.api.auth import READ, WRITE
from pileus.api.context import Ctx
from pileus.api.paging import Id, Limit, Offset
from pileus.api.routes.storage.volume_views import show_snapshot
from pileus.api.wire.paging import Page
from pileus.api.wire.storage.snapshots import CreateSnapshot, SnapshotView
from pileus.api.wire.storage.volume_requests import UpdateVolume
from pileus.api.wire.tags import TagChanges
from pileus.api.wire.tasks import TaskIds
from pileus.domain.storage.volumes import Snapshot
from pileus.domain.tags import make_tags, replaced, validate_tags
from pileus.services.account.request_quotas import check_quotas
from pileus.store import tags
from pileus.store.account import projects
from pileus.store.database import Tx
from pileus.store.storage import snapshots, volumes

ALL = "/cloud/v1/snapshots/{project_id:int}/{region_id:int}"
ONE = f"{ALL}/{{snapshot_id:str}}"


@get(ALL, opt=READ, tags=["Snapshots"])
async def list_snapshots(  # each is a parameter of the operation
    ctx: Ctx,
    volume_id: FromQuery[str | None] = None,
    instance_id: FromQuery[str | None] = None,
    schedule_id: FromQuery[str | None] = None,
    lifecycle_policy_id: FromQuery[Id | None] = None,
    limit: Limit = 1000,
    offset: Offset = 0,
) -> Page[SnapshotView]:
    """List snapshots, the latest first: of a volume, of the volumes on an instance, or of what took them by itself."""
    wanted = snapshots.SnapshotFilter(
        volume_id=volume_id,
        instance_id=instance_id,
        schedule_id=schedule_id,
        lifecycle_policy_id=lifecycle_policy_id,
    )
    ctx.region()
    async with ctx.db.scan() as tx:
        place = await projects.require(tx, ctx.place)
        count, found = await snapshots.page(tx, place, wanted, limit=limit, offset=offset)
        its = await tags.of_each(tx, [snapshot.id for snapshot in found])
    return Page(count=count, results=[show_snapshot(ctx.app, each, its[each.id]) for each in found])


@post(ALL, opt=WRITE, status_code=200, tags=["Snapshots"])
async def create_snapshot(ctx: Ctx, data: JSONBody[CreateSnapshot]) -> TaskIds:
    """Keep what a volume holds now; it may be in use. A task that fails leaves nothing behind."""
    ctx.region()
    task_id, its = ctx.new_id(), make_tags(validate_tags(data.tags or data.metadata or {}).items())

    async def write(tx: Tx) -> None:
        await projects.require_open(tx, ctx.place)
        volume = (await volumes.get(tx, ctx.place, data.volume_id)).require_snapshottable()
        await volumes.bump_revision(tx, volume)
        await check_quotas(tx, ctx, {"volume_snapshots_count": 1, "volume_snapshots_size": volume.size})
        identity, now = ctx.new_id(), ctx.now()
        taken = Snapshot.of(volume, identity, data.name, task_id, now, description=data.description)
        snapshot = await snapshots.add(tx, taken)
        await tags.add(tx, snapshots.KIND, ctx.place, snapshot.id, its)
        args = {"snapshot_id": snapshot.id, "volume_id": volume.id}
        told = {"name": snapshot.name, "volume_id": volume.id}
        await ctx.start_task(tx, "create_snapshot", task_id, args, data={**args, **told})
        await ctx.audit(tx, "snapshot", "create", snapshot.id, data=told, task_id=task_id)

    await ctx.db.write(write)
    ctx.app.wake_engine()
    return TaskIds(tasks=[task_id])


@get(ONE, opt=READ, tags=["Snapshots"])
async def get_snapshot(ctx: Ctx, snapshot_id: FromPath[str]) -> SnapshotView:
    """Show a snapshot."""
    async with ctx.db.read() as tx:
        snapshot = await snapshots.get(tx, ctx.place, snapshot_id)
        return show_snapshot(ctx.app, snapshot, (await tags.of(tx, snapshot.id)).values())


@patch(ONE, opt=WRITE, tags=["Snapshots"])
async def update_snapshot(ctx: Ctx, snapshot_id: FromPath[str], data: JSONBody[UpdateVolume]) -> SnapshotView:
    """Rename a snapshot or change its tags, by JSON merge patch (RFC 7386).

    A tag with a value is set, a tag with null is removed, tags not named stay; `"tags": null` removes all.
    Read-only tags always stay as they are. While a task holds the snapshot the answer is 409.
    """
    change = data.patch()

    async def write(tx: Tx) -> SnapshotView:
        before = await snapshots.get(tx, ctx.place, snapshot_id)
        after = await snapshots.save(tx, before, before.patched(change, ctx.now()))
        new = await tags.patch(tx, snapshots.KIND, ctx.place, snapshot_id, change.get("tags", {}))
        await ctx.audit(tx, "snapshot", "update", snapshot_id, data=dict(change), name=after.name)
        return show_snapshot(ctx.app, after, [new[key] for key in sorted(new)])

    return await ctx.db.write(write)


@put(f"{ONE}/metadata", opt=WRITE, deprecated=True, tags=["Snapshots"])
async def replace_snapshot_metadata(ctx: Ctx, snapshot_id: FromPath[str], data: JSONBody[TagChanges]) -> SnapshotView:
    """Put these tags in the place of all that are not read-only; null is as good as absent. Use PATCH instead."""
    wanted = {key: value for key, value in validate_tags(data).items() if value is not None}

    async def write(tx: Tx) -> SnapshotView:
        snapshot = (await snapshots.get(tx, ctx.place, snapshot_id)).require_unlocked()
        old = await tags.of(tx, snapshot_id)
        new = replaced(old, wanted)
        await tags.save(tx, snapshots.KIND, ctx.place, snapshot_id, old, new)
        told = {"metadata": wanted}
        await ctx.audit(tx, "snapshot", "replace_metadata", snapshot_id, data=told, name=snapshot.name)
        return show_snapshot(ctx.app, snapshot, [new[key] for key in sorted(new)])

    return await ctx.db.write(write)


@delete(ONE, opt=WRITE, status_code=200, tags=["Snapshots"])
async def delete_snapshot(ctx: Ctx, snapshot_id: FromPath[str]) -> TaskIds:
    """Delete a snapshot; volumes that were made from it stay."""
    task_id = ctx.new_id()

    async def write(tx: Tx) -> None:
        before = await snapshots.get(tx, ctx.place, snapshot_id)
        await snapshots.save(tx, before, before.deleting(task_id, ctx.now()))
        await ctx.start_task(tx, "delete_snapshot", task_id, {"snapshot_id": snapshot_id})
        await ctx.audit(tx, "snapshot", "delete", snapshot_id, task_id=task_id, name=before.name)

    await ctx.db.write(write)
    ctx.app.wake_engine()
    return TaskIds(tasks=[task_id])


ROUTES = [
    list_snapshots, create_snapshot, get_snapshot, update_snapshot, replace_snapshot_metadata, delete_snapshot,
]  # fmt: skip
