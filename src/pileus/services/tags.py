"""Change the tags of any kind of resource."""

from collections.abc import Awaitable, Callable
from typing import Protocol, Self

from msgspec import Struct

from pileus.domain.account.user_actions import AuditEntry
from pileus.domain.context import Context
from pileus.domain.errors import Forbidden, invalid, not_found
from pileus.domain.places import Place
from pileus.domain.tags import Tag, TagPatch, Tags, check_tag_count, merged_tags
from pileus.services.account.user_actions import write_audit_entry
from pileus.store import tags
from pileus.store.database import Tx


class LockableResource(Protocol):
    """A record that a task can lock."""

    @property
    def id(self) -> str:
        """The id of the record."""

    def require_unlocked(self) -> Self:
        """Return the record. Raises Conflict if a task has locked it."""


class TaggedResourceKind(Struct, frozen=True, kw_only=True):
    """A kind of resource that has tags."""

    kind: str
    """The kind in the table of tags."""
    group: str
    """The group in the audit log."""
    get: Callable[[Tx, Place, str], Awaitable[LockableResource]]
    """Returns a resource that the tenant may read. Raises NotFound."""
    lock: Callable[[Tx, str], Awaitable[LockableResource]]
    """Returns a resource, locked until the transaction ends. Raises NotFound."""
    get_own: Callable[[Tx, Place, str], Awaitable[LockableResource]] | None = None
    """Returns a resource that the tenant may change, where that differs from `get`. Raises NotFound or Forbidden."""


async def save_tags(tx: Tx, ctx: Context, kind: str, resource_id: str, before: Tags, after: Tags) -> None:
    """Write the change of a resource's tags. Raises Invalid if there are too many."""
    check_tag_count(before, after, ctx.tag_limit)
    await tags.save(tx, kind, ctx.place, resource_id, before, after)


async def patch_tags(tx: Tx, ctx: Context, kind: str, resource_id: str, patch: TagPatch | None) -> Tags:
    """Apply a JSON merge patch to a resource's tags and return the result. Raises Invalid if there are too many."""
    before = await tags.list_by_resource(tx, resource_id)
    after = merged_tags(before, patch)
    await save_tags(tx, ctx, kind, resource_id, before, after)
    return after


async def add_tags(tx: Tx, ctx: Context, kind: str, resource_id: str, new_tags: Tags) -> None:
    """Insert the tags of a new resource. Raises Invalid if there are too many."""
    await save_tags(tx, ctx, kind, resource_id, {}, new_tags)


async def change_tags(
    tx: Tx, ctx: Context, kind: TaggedResourceKind, resource_id: str, audit_verb: str, change: Callable[[Tags], Tags]
) -> None:
    """Apply `change` to the tags of an unlocked resource. Raises NotFound, Forbidden or Conflict."""
    await (kind.get_own or kind.get)(tx, ctx.place, resource_id)
    resource = (await kind.lock(tx, resource_id)).require_unlocked()
    existing = await tags.list_by_resource(tx, resource.id)
    changed = change(existing)
    await save_tags(tx, ctx, kind.kind, resource.id, existing, changed)
    own_tags = {key: tag.value for key, tag in changed.items() if not tag.read_only}
    await write_audit_entry(
        tx, ctx, AuditEntry(kind.group, f"{audit_verb}_metadata", resource.id, {"metadata": own_tags})
    )


def without_tag(key: str | None, existing: Tags) -> Tags:
    """Return the tags without one of them. Raises NotFound, Invalid without a key, or Forbidden if it is read-only."""
    return merged_tags(existing, {require_own_tag(existing, key).key: None})


def require_own_tag(existing: Tags, key: str | None) -> Tag:
    """Return the tag with a key, which is not read-only. Raises NotFound, Invalid or Forbidden."""
    tag = require_tag(existing, key)
    if tag.read_only:
        raise Forbidden(f"Tag {tag.key} is read-only")
    return tag


def require_tag(existing: Tags, key: str | None) -> Tag:
    """Return the tag with a key. Raises NotFound, or Invalid without a key."""
    if key is None:
        raise invalid(key="Field required")
    if key not in existing:
        raise not_found("Tag", key)
    return existing[key]
