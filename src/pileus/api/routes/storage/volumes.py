"""Volumes: list, make, look at, change and delete them."""

from collections.abc import Iterable

from litestar import delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody

from pileus.api.auth import READ, WRITE
from pileus.api.context import Context, RequestContext
from pileus.api.hanging import attach_volume, lock_snapshots_for_deletion
from pileus.api.paging import Limit, Offset
from pileus.api.quotas import check_quotas
from pileus.api.routes.metadata import TaggedResource, metadata_routes
from pileus.api.routes.storage.volume_views import show
from pileus.api.sources import resolve_sources
from pileus.api.wire.paging import Page
from pileus.api.wire.storage.volume_requests import CreateVolume, UpdateVolume
from pileus.api.wire.storage.volume_views import VolumeView
from pileus.api.wire.tags import parse_tag_filter
from pileus.api.wire.tasks import TaskIds
from pileus.domain.compute.instance_orders import InstanceOrder, NewVolume
from pileus.domain.compute.instance_plan import CreationContext
from pileus.domain.storage.new_volumes import plan_volume
from pileus.domain.storage.volumes import Volume
from pileus.domain.tags import Tag
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
    call: Context,
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
    return await _page(call, wanted, limit, offset)


@post(ALL, opt=WRITE, status_code=200, tags=["Volumes"])
async def create_volume(call: Context, data: JSONBody[CreateVolume]) -> TaskIds:
    """Make a volume: a blank one, one with an image on it, or one with what a snapshot holds.

    One from a snapshot has its size, and the type of its volume unless `type_name` says otherwise; only types that take
    snapshots can. With `instance_id_to_attach_to` it is attached in the same task, under `attachment_tag` if that is
    given; `lifecycle_policy_ids` put it into policies, which take snapshots of it. A task that fails leaves nothing
    behind.
    """
    call.region()
    task_id, ordered, instance_id = call.app.new_id(), data.ordered(), data.instance_id_to_attach_to or None

    async def write(tx: Tx) -> None:
        await projects.require_open(tx, call.place)
        volume, its = await _planned(tx, call, ordered, task_id)
        await volumes.add(tx, volume)
        await tags.add(tx, volumes.KIND, call.place, volume.id, its)
        await _scheduled(tx, call, volume, data.lifecycle_policy_ids or [])
        if instance_id:
            await attach_volume(tx, call, volume, instance_id, ordered.attachment_tag, task_id)
        args = {"volume_id": volume.id, "instance_id": instance_id}
        told = {"name": volume.name, "size": volume.size, "type_name": volume.type_name, "source": ordered.source}
        await call.start_task(tx, "create_volume", task_id, args, data={**args, **told})
        await call.audit(tx, "volume", "create", volume.id, data=told, task_id=task_id)

    await call.db.write(write)
    call.app.wake_engine()
    return TaskIds(tasks=[task_id])


@get(ONE, opt=READ, tags=["Volumes"])
async def get_volume(call: Context, volume_id: FromPath[str]) -> VolumeView:
    """Show a volume, with where it hangs, its snapshots and how fast it may be."""
    async with call.db.read() as tx:
        volume = await volumes.get(tx, call.place, volume_id)
        return show(call.app, volume, await volume_details.of(tx, volume))


@patch(ONE, opt=WRITE, tags=["Volumes"])
async def update_volume(call: Context, volume_id: FromPath[str], data: JSONBody[UpdateVolume]) -> VolumeView:
    """Rename a volume or change its tags, by JSON merge patch (RFC 7386).

    A tag with a value is set, a tag with null is removed, tags not named stay; `"tags": null` removes all.
    Read-only tags always stay as they are. While a task holds the volume the answer is 409.
    """
    change = data.patch()

    async def write(tx: Tx) -> VolumeView:
        before = await volumes.get(tx, call.place, volume_id)
        after = await volumes.save(tx, before, before.patched(change, call.app.now()))
        if "tags" in change:
            await tags.patch(tx, volumes.KIND, call.place, volume_id, change["tags"])
        await call.audit(tx, "volume", "update", volume_id, data=dict(change), name=after.name)
        return show(call.app, after, await volume_details.of(tx, after))

    return await call.db.write(write)


@delete(ONE, opt=WRITE, status_code=200, tags=["Volumes"])
async def delete_volume(call: Context, volume_id: FromPath[str], snapshots: FromQuery[str | None] = None) -> TaskIds:
    """Delete a volume that is available, and all its snapshots with it.

    `snapshots` may name them, with commas between their ids: one that is not of this volume stops the deletion.
    """
    task_id, named = call.app.new_id(), [each.strip() for each in (snapshots or "").split(",") if each.strip()]

    async def write(tx: Tx) -> None:
        before = await volumes.get(tx, call.place, volume_id)
        await volumes.save(tx, before, before.deleting(task_id, call.app.now()))
        await lock_snapshots_for_deletion(tx, call, volume_id, named, task_id)
        args = {"volume_id": volume_id}
        await call.start_task(tx, "delete_volume", task_id, args)
        await call.audit(tx, "volume", "delete", volume_id, task_id=task_id, name=before.name)

    await call.db.write(write)
    call.app.wake_engine()
    return TaskIds(tasks=[task_id])


async def _page(call: RequestContext, wanted: volumes.VolumeFilter, limit: int, offset: int) -> Page[VolumeView]:
    call.region()
    async with call.db.scan() as tx:
        place = await projects.require(tx, call.place)
        count, listed = await volumes.page(tx, place, wanted, limit=limit, offset=offset)
        parts = await volume_details.of_each(tx, listed)
    return Page(count=count, results=[show(call.app, volume, parts[volume.id]) for volume in listed])


async def _planned(tx: Tx, call: RequestContext, ordered: NewVolume, task_id: str) -> tuple[Volume, dict[str, Tag]]:
    """The volume to be made, if it can be and the quotas allow it."""
    catalogue, place = call.app.catalogue, call.place
    sources = await resolve_sources(tx, catalogue, place, InstanceOrder(flavor_id="", volumes=[ordered], interfaces=()))
    making = CreationContext(place=place, task_id=task_id, now=call.app.now(), new_id=call.app.new_id)
    volume, its = plan_volume(ordered, sources, making)
    asked = {"volume_count": 1, "volume_size": volume.size}
    await check_quotas(tx, call, asked)
    return volume, its


async def _scheduled(tx: Tx, call: RequestContext, volume: Volume, policy_ids: Iterable[int]) -> None:
    """Put a volume into lifecycle policies; raises NotFound."""
    for policy_id in dict.fromkeys(policy_ids):
        policy = await lifecycle_policies.get(tx, call.place, policy_id)
        await lifecycle_policies.include(tx, policy.id, [volume.id])


ROUTES = [list_volumes, create_volume, get_volume, update_volume, delete_volume, *metadata_routes(NOUN)]
