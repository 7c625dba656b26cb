"""The older endpoints for tags, which many kinds of resource have: all tags, and a single one."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from litestar import delete, get, post, put
from litestar.params import FromQuery, JSONBody, PathParameter

from pileus.api.authorization import READ, WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.wire.paging import Page
from pileus.api.wire.tags import NewTags, TagChanges, TagView, tag_views
from pileus.domain.tags import Tags, merged_tags, replaced_tags, validate_tags
from pileus.drivers.protocols.compute import Compute
from pileus.services import tags as tag_service
from pileus.services.tags import TaggedResourceKind
from pileus.store import tags
from pileus.store.database import Database


class MetadataRouteConfig(TaggedResourceKind, frozen=True, kw_only=True):
    """A kind of resource with endpoints for its tags."""

    path: str
    """The path of one resource. Its last part is the id."""
    tag: str
    """The section of the API reference."""
    after_change: Callable[[Database, Compute | None, str], Awaitable[None]] | None = None
    """Pushes the tags to a running machine, after the transaction."""

    @property
    def parameter(self) -> str:
        """The path parameter with the id of the resource."""
        return self.path.rpartition("{")[2].partition(":")[0]


def make_metadata_routes(resource: MetadataRouteConfig) -> list[Any]:
    """Make the five endpoints of a kind of resource."""
    return [*make_metadata_collection_routes(resource), _get_item(resource), _delete_item(resource)]


def make_metadata_collection_routes(resource: MetadataRouteConfig) -> list[Any]:
    """Make the three endpoints for all tags of a resource."""
    return [_list(resource), _update(resource), _replace(resource)]


async def read_tag(ctx: RequestContext, resource: MetadataRouteConfig, resource_id: str, key: str | None) -> TagView:
    """Read one tag. Raises NotFound for the resource or the tag, or Invalid without a key."""
    async with ctx.db.read() as tx:
        existing = await tags.list_by_resource(tx, (await resource.get(tx, ctx.place, resource_id)).id)
    return TagView.of(tag_service.require_tag(existing, key))


async def change_tags_and_publish(
    ctx: RequestContext, resource: MetadataRouteConfig, resource_id: str, verb: str, change: Callable[[Tags], Tags]
) -> None:
    """Change the tags of a resource, then push them to its machine if it has one."""
    await ctx.write(lambda tx: tag_service.change_tags(tx, ctx, resource, resource_id, verb, change))
    if resource.after_change:
        await resource.after_change(ctx.db, ctx.app.drivers.find_here(ctx.place.region_id), resource_id)


def _options(resource: MetadataRouteConfig, verb: str, name: str) -> dict[str, Any]:
    return {
        "path": f"{resource.path}/{name}",
        "operation_id": f"{verb}_{resource.kind}_{name}",
        "deprecated": True,
        "tags": [resource.tag],
    }


def _list(resource: MetadataRouteConfig) -> Any:
    @get(opt=READ, **_options(resource, "list", "metadata"))
    async def list_metadata(
        ctx: Ctx, resource_id: Annotated[str, PathParameter(name=resource.parameter)]
    ) -> Page[TagView]:
        """List the tags. They are also returned with the resource itself.

        Deprecated: get the resource.
        """
        async with ctx.db.read() as tx:
            existing = await tags.list_by_resource(tx, (await resource.get(tx, ctx.place, resource_id)).id)
        return Page(count=len(existing), results=tag_views(existing.values()))

    return list_metadata


def _update(resource: MetadataRouteConfig) -> Any:
    @post(opt=WRITE, status_code=204, **_options(resource, "update", "metadata"))
    async def update_metadata(
        ctx: Ctx, resource_id: Annotated[str, PathParameter(name=resource.parameter)], data: JSONBody[TagChanges]
    ) -> None:
        """Set tags, and remove those whose value is null. Other tags do not change.

        Deprecated: use PATCH on the resource.
        """
        changes = validate_tags(data)
        await change_tags_and_publish(
            ctx, resource, resource_id, "update", lambda existing: merged_tags(existing, changes)
        )

    return update_metadata


def _replace(resource: MetadataRouteConfig) -> Any:
    @put(opt=WRITE, status_code=204, **_options(resource, "replace", "metadata"))
    async def replace_metadata(
        ctx: Ctx, resource_id: Annotated[str, PathParameter(name=resource.parameter)], data: JSONBody[NewTags]
    ) -> None:
        """Replace all tags that are not read-only. Deprecated: use PATCH on the resource."""
        new_tags = validate_tags(data)
        await change_tags_and_publish(
            ctx, resource, resource_id, "replace", lambda existing: replaced_tags(existing, new_tags)
        )

    return replace_metadata


def _get_item(resource: MetadataRouteConfig) -> Any:
    @get(opt=READ, **_options(resource, "get", "metadata_item"))
    async def get_metadata_item(
        ctx: Ctx, resource_id: Annotated[str, PathParameter(name=resource.parameter)], key: FromQuery[str | None] = None
    ) -> TagView:
        """Get one tag. Deprecated: get the resource."""
        return await read_tag(ctx, resource, resource_id, key)

    return get_metadata_item


def _delete_item(resource: MetadataRouteConfig) -> Any:
    @delete(opt=WRITE, status_code=204, **_options(resource, "delete", "metadata_item"))
    async def delete_metadata_item(
        ctx: Ctx, resource_id: Annotated[str, PathParameter(name=resource.parameter)], key: FromQuery[str | None] = None
    ) -> None:
        """Delete one tag. A read-only tag cannot be deleted. Deprecated: use PATCH on the resource."""
        await change_tags_and_publish(
            ctx, resource, resource_id, "delete", lambda existing: tag_service.without_tag(key, existing)
        )

    return delete_metadata_item
