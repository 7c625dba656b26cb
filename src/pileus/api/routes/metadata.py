"""The older endpoints for tags, which many nouns have alike: the whole map, and one item of it."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Protocol

from litestar import delete, get, post, put
from litestar.params import FromQuery, JSONBody, PathParameter
from msgspec import Struct

from pileus.api.auth import READ, WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.wire.paging import Page
from pileus.api.wire.tags import NewTags, TagChanges, TagView, tag_views
from pileus.domain.errors import Conflict, Forbidden, invalid, not_found
from pileus.domain.places import Place
from pileus.domain.tags import Tag, Tags, merged, replaced, validate_tags
from pileus.drivers.protocols.compute import Compute
from pileus.store import tags
from pileus.store.database import Database, Tx


class LockedRecord(Protocol):
    """A record that a task can hold."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def task_id(self) -> str | None:
        """The task that holds it, or None."""


class TaggedResource(Struct, frozen=True, kw_only=True):
    """A kind of things that have tags, and how it is spoken of."""

    path: str
    """Of one such thing, whose id is the parameter named next."""
    parameter: str
    tag: str
    """The chapter of the API's reference."""
    name: str
    """In messages."""
    kind: str
    """In the table of tags."""
    group: str
    """In the audit log."""
    get: Callable[[Tx, Place, str], Awaitable[LockedRecord]]
    """Finds one; raises NotFound."""
    told: Callable[[Database, Compute, str], Awaitable[None]] | None = None
    """Lets one know its tags, if it can know them."""
    own: Callable[[Tx, Place, str], Awaitable[LockedRecord]] | None = None
    """Finds one that may be changed, where there are others that may only be looked at; raises Forbidden for them."""


def metadata_routes(noun: TaggedResource) -> list[Any]:
    """The five endpoints of a kind of things."""
    return [*map_routes(noun), _show(noun), _delete(noun)]


def map_routes(noun: TaggedResource) -> list[Any]:
    """The three of them that are about all the tags."""
    return [_list(noun), _update(noun), _replace(noun)]


async def one_tag(tx: Tx, ctx: RequestContext, noun: TaggedResource, identity: str, key: str | None) -> Tag:
    """One tag of a thing; raises NotFound for the thing or the tag, Invalid where no key is given."""
    return _named(await tags.of(tx, (await noun.get(tx, ctx.place, identity)).id), key)


async def change_tags(
    ctx: RequestContext, noun: TaggedResource, identity: str, verb: str, decide: Callable[[Tags], Tags]
) -> None:
    """Write what is decided about the tags of a thing that no task holds, and who has decided."""

    async def write(tx: Tx) -> None:
        thing = await (noun.own or noun.get)(tx, ctx.place, identity)
        if thing.task_id is not None:
            raise Conflict(f"{noun.name} {thing.id} is locked by task {thing.task_id}: try again when it has finished")
        before = await tags.of(tx, thing.id)
        after = decide(before)
        await tags.save(tx, noun.kind, ctx.place, thing.id, before, after)
        told = {key: tag.value for key, tag in after.items() if not tag.read_only}
        await ctx.audit(tx, noun.group, f"{verb}_metadata", thing.id, data={"metadata": told})

    await ctx.db.write(write)
    if noun.told:
        await noun.told(ctx.db, ctx.app.driver, identity)


def without(key: str | None, its: Tags) -> Tags:
    """The tags but one; raises NotFound, or Forbidden where that one is read-only."""
    tag = _named(its, key)
    if tag.read_only:
        raise Forbidden(f"Tag {tag.key} is read-only")
    return merged(its, {tag.key: None})


def _named(its: Tags, key: str | None) -> Tag:
    if key is None:
        raise invalid(key="Field required")
    if key not in its:
        raise not_found("Tag", key)
    return its[key]


def _list(noun: TaggedResource) -> Any:
    @get(f"{noun.path}/metadata", opt=READ, operation_id=f"list_{noun.kind}_metadata", deprecated=True, tags=[noun.tag])
    async def list_metadata(ctx: Ctx, identity: Annotated[str, PathParameter(name=noun.parameter)]) -> Page[TagView]:
        """List the tags. They are shown with the thing itself, too."""
        async with ctx.db.read() as tx:
            its = await tags.of(tx, (await noun.get(tx, ctx.place, identity)).id)
        return Page(count=len(its), results=tag_views(its.values()))

    return list_metadata


def _update(noun: TaggedResource) -> Any:
    @post(
        f"{noun.path}/metadata",
        opt=WRITE,
        status_code=204,
        operation_id=f"update_{noun.kind}_metadata",
        deprecated=True,
        tags=[noun.tag],
    )
    async def update_metadata(
        ctx: Ctx, identity: Annotated[str, PathParameter(name=noun.parameter)], data: JSONBody[TagChanges]
    ) -> None:
        """Set tags, or remove those whose value is null; the others stay. Use PATCH on the thing itself instead."""
        changes = validate_tags(data)
        await change_tags(ctx, noun, identity, "update", lambda its: merged(its, changes))

    return update_metadata


def _replace(noun: TaggedResource) -> Any:
    @put(
        f"{noun.path}/metadata",
        opt=WRITE,
        status_code=204,
        operation_id=f"replace_{noun.kind}_metadata",
        deprecated=True,
        tags=[noun.tag],
    )
    async def replace_metadata(
        ctx: Ctx, identity: Annotated[str, PathParameter(name=noun.parameter)], data: JSONBody[NewTags]
    ) -> None:
        """Put these tags in the place of all that are not read-only. Use PATCH on the thing itself instead."""
        new = validate_tags(data)
        await change_tags(ctx, noun, identity, "replace", lambda its: replaced(its, new))

    return replace_metadata


def _show(noun: TaggedResource) -> Any:
    @get(
        f"{noun.path}/metadata_item",
        opt=READ,
        operation_id=f"get_{noun.kind}_metadata_item",
        deprecated=True,
        tags=[noun.tag],
    )
    async def get_metadata_item(
        ctx: Ctx, identity: Annotated[str, PathParameter(name=noun.parameter)], key: FromQuery[str | None] = None
    ) -> TagView:
        """Show one tag."""
        async with ctx.db.read() as tx:
            return TagView.of(await one_tag(tx, ctx, noun, identity, key))

    return get_metadata_item


def _delete(noun: TaggedResource) -> Any:
    @delete(
        f"{noun.path}/metadata_item",
        opt=WRITE,
        status_code=204,
        operation_id=f"delete_{noun.kind}_metadata_item",
        deprecated=True,
        tags=[noun.tag],
    )
    async def delete_metadata_item(
        ctx: Ctx, identity: Annotated[str, PathParameter(name=noun.parameter)], key: FromQuery[str | None] = None
    ) -> None:
        """Remove one tag; a read-only one cannot be removed. Use PATCH on the thing itself instead."""
        await change_tags(ctx, noun, identity, "delete", lambda its: without(key, its))

    return delete_metadata_item
