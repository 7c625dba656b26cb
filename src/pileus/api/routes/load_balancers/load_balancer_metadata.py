"""Deprecated routes of the tags of load balancers, called metadata; version 2 changes them in tasks."""

from litestar import delete, post, put
from litestar.params import FromPath, FromQuery, JSONBody

from pileus.api.authorization import WRITE
from pileus.api.context import Ctx
from pileus.api.routes.load_balancers.load_balancers import ONE, ONE_V2, TAGS
from pileus.api.routes.metadata import MetadataRouteConfig, make_metadata_routes
from pileus.api.wire.tags import NewTags, TagChanges
from pileus.api.wire.tasks import TaskIds
from pileus.domain.tags import validate_tags
from pileus.services.load_balancers import load_balancer_tags
from pileus.services.load_balancers.load_balancers import AUDIT_GROUP
from pileus.store.load_balancers import load_balancers

LOAD_BALANCER = MetadataRouteConfig(
    path=ONE,
    tag="Load Balancers",
    kind=load_balancers.KIND,
    group=AUDIT_GROUP,
    get=load_balancers.get,
    lock=load_balancers.TABLE.lock,
)


@post(f"{ONE_V2}/metadata", opt=WRITE, status_code=200, deprecated=True, tags=TAGS)
async def update_load_balancer_tags(ctx: Ctx, load_balancer_id: FromPath[str], data: JSONBody[TagChanges]) -> TaskIds:
    """Set tags, and remove those whose value is null, in a task. Deprecated: use PATCH on the load balancer."""
    patch = validate_tags(data)
    return await ctx.submit_task(
        lambda tx, task_id: load_balancer_tags.update_tags(tx, ctx, load_balancer_id, patch, task_id)
    )


@put(f"{ONE_V2}/metadata", opt=WRITE, status_code=200, deprecated=True, tags=TAGS)
async def replace_load_balancer_tags(ctx: Ctx, load_balancer_id: FromPath[str], data: JSONBody[NewTags]) -> TaskIds:
    """Replace all tags that are not read-only, in a task. Deprecated: use PATCH on the load balancer."""
    new_tags = validate_tags(data)
    return await ctx.submit_task(
        lambda tx, task_id: load_balancer_tags.replace_tags(tx, ctx, load_balancer_id, new_tags, task_id)
    )


@delete(f"{ONE_V2}/metadata_item", opt=WRITE, status_code=200, deprecated=True, tags=TAGS)
async def delete_load_balancer_tag(
    ctx: Ctx, load_balancer_id: FromPath[str], key: FromQuery[str | None] = None
) -> TaskIds:
    """Delete one tag, in a task. A read-only tag cannot be deleted. Deprecated: use PATCH on the load balancer."""
    return await ctx.submit_task(
        lambda tx, task_id: load_balancer_tags.delete_tag(tx, ctx, load_balancer_id, key, task_id)
    )


ROUTES = [
    *make_metadata_routes(LOAD_BALANCER), update_load_balancer_tags, replace_load_balancer_tags,
    delete_load_balancer_tag,
]  # fmt: skip
