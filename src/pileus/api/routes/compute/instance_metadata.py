"""Deprecated routes of an instance's tags, called metadata; a single tag has two paths of its own."""

from litestar import delete, get
from litestar.params import FromPath, FromQuery

from pileus.api.authorization import READ, WRITE
from pileus.api.context import Ctx
from pileus.api.routes.metadata import (
    MetadataRouteConfig,
    change_tags_and_publish,
    make_metadata_collection_routes,
    read_tag,
)
from pileus.api.wire.tags import TagView
from pileus.services.tags import without_tag
from pileus.store.compute import instances
from pileus.tasks.compute.machine_metadata import push_metadata

ONE = "/cloud/v1/instances/{project_id:int}/{region_id:int}/{instance_id:str}"
ITEM = "/cloud/v2/instances/{project_id:int}/{region_id:int}/{instance_id:str}/metadata_item"
INSTANCE = MetadataRouteConfig(
    path=ONE,
    tag="Instances",
    kind=instances.KIND,
    group="instance",
    get=instances.get,
    lock=instances.TABLE.lock,
    after_change=push_metadata,
)


@get(f"{ONE}/metadata/{{key:str}}", opt=READ, deprecated=True, tags=["Instances"])
async def get_instance_metadata_item(ctx: Ctx, instance_id: FromPath[str], key: FromPath[str]) -> TagView:
    """Get a tag of an instance."""
    return await read_tag(ctx, INSTANCE, instance_id, key)


@delete(f"{ONE}/metadata/{{key:str}}", opt=WRITE, deprecated=True, tags=["Instances"])
async def delete_instance_metadata_item(ctx: Ctx, instance_id: FromPath[str], key: FromPath[str]) -> None:
    """Remove a tag of an instance; a read-only tag cannot be removed.

    Deprecated: update the instance by PATCH.
    """
    await change_tags_and_publish(ctx, INSTANCE, instance_id, "delete", lambda existing: without_tag(key, existing))


@get(ITEM, opt=READ, deprecated=True, tags=["Instances"])
async def get_instance_metadata_item_v2(
    ctx: Ctx, instance_id: FromPath[str], key: FromQuery[str | None] = None
) -> TagView:
    """Get a tag of an instance. The key can have any characters."""
    return await read_tag(ctx, INSTANCE, instance_id, key)


@delete(ITEM, opt=WRITE, deprecated=True, tags=["Instances"])
async def delete_instance_metadata_item_v2(
    ctx: Ctx, instance_id: FromPath[str], key: FromQuery[str | None] = None
) -> None:
    """Remove a tag of an instance; a read-only tag cannot be removed. The key can have any characters."""
    await change_tags_and_publish(ctx, INSTANCE, instance_id, "delete", lambda existing: without_tag(key, existing))


ROUTES = [
    *make_metadata_collection_routes(INSTANCE),
    get_instance_metadata_item,
    delete_instance_metadata_item,
    get_instance_metadata_item_v2,
    delete_instance_metadata_item_v2,
]
