"""An instance's tags by their older name, metadata: kept for clients that have not moved to PATCH."""

from collections.abc import Callable
from typing import Any

from litestar import delete, get, post, put
from litestar.params import FromPath, FromQuery, JSONBody

from pileus.api.auth import READ, WRITE
from pileus.api.call import Call, Here
from pileus.api.wire.paging import Page
from pileus.api.wire.tags import NewTags, TagChanges, TagView, shown
from pileus.domain.errors import invalid, not_found
from pileus.domain.tags import Tag, Tags, checked, merged, replaced
from pileus.store import instances, tags
from pileus.store.database import Tx

ONE = "/cloud/v1/instances/{project_id:int}/{region_id:int}/{instance_id:str}/metadata"
ITEM_V2 = "/cloud/v2/instances/{project_id:int}/{region_id:int}/{instance_id:str}/metadata_item"


@get(ONE, opt=READ, deprecated=True, tags=["Instances"])
async def list_instance_metadata(call: Here, instance_id: FromPath[str]) -> Page[TagView]:
    """List the tags of an instance. They stand in the instance itself too."""
    found = await _tags(call, instance_id)
    return Page(count=len(found), results=shown(found.values()))


@post(ONE, opt=WRITE, status_code=204, deprecated=True, tags=["Instances"])
async def update_instance_metadata(call: Here, instance_id: FromPath[str], data: JSONBody[TagChanges]) -> None:
    """Set tags, or remove those that are null. PATCH the instance instead."""
    changes = checked(data, "metadata")
    await _change(call, instance_id, "update_metadata", {"metadata": changes}, lambda old: merged(old, changes))


@put(ONE, opt=WRITE, status_code=204, deprecated=True, tags=["Instances"])
async def replace_instance_metadata(call: Here, instance_id: FromPath[str], data: JSONBody[NewTags]) -> None:
    """Put tags in the place of all that are not read-only. PATCH the instance instead."""
    new = checked(data, "metadata")
    await _change(call, instance_id, "replace_metadata", {"metadata": new}, lambda old: replaced(old, new))


@get(f"{ONE}/{{key:str}}", opt=READ, deprecated=True, tags=["Instances"])
async def get_instance_metadata_item(call: Here, instance_id: FromPath[str], key: FromPath[str]) -> TagView:
    """Show one tag of an instance."""
    return TagView.of(_the(await _tags(call, instance_id), key))


@delete(f"{ONE}/{{key:str}}", opt=WRITE, deprecated=True, tags=["Instances"])
async def delete_instance_metadata_item(call: Here, instance_id: FromPath[str], key: FromPath[str]) -> None:
    """Remove one tag of an instance; a read-only one stays."""
    await _remove(call, instance_id, key)


@get(ITEM_V2, opt=READ, deprecated=True, tags=["Instances"])
async def get_instance_metadata_item_v2(
    call: Here, instance_id: FromPath[str], key: FromQuery[str | None] = None
) -> TagView:
    """Show one tag of an instance, whatever characters its key has."""
    return TagView.of(_the(await _tags(call, instance_id), _given(key)))


@delete(ITEM_V2, opt=WRITE, deprecated=True, tags=["Instances"])
async def delete_instance_metadata_item_v2(
    call: Here, instance_id: FromPath[str], key: FromQuery[str | None] = None
) -> None:
    """Remove one tag of an instance, whatever characters its key has; a read-only one stays."""
    await _remove(call, instance_id, _given(key))


async def _tags(call: Call, instance_id: str) -> dict[str, Tag]:
    async with call.db.read() as tx:
        await instances.get(tx, call.place, instance_id)
        return await tags.of(tx, instance_id)


async def _remove(call: Call, instance_id: str, key: str) -> None:
    def without(old: Tags) -> dict[str, Tag]:
        _the(old, key)
        return merged(old, {key: None})

    await _change(call, instance_id, "delete_metadata", {"key": key}, without)


async def _change(
    call: Call, instance_id: str, action: str, data: dict[str, Any], change: Callable[[Tags], Tags]
) -> None:
    async def write(tx: Tx) -> None:
        before = await instances.get(tx, call.place, instance_id)
        old = await tags.of(tx, instance_id)
        await tags.save(tx, instances.KIND, call.place, instance_id, old, change(old))
        await instances.touch(tx, before.unlocked())
        await call.record(tx, "instance", action, instance_id, data=data)

    await call.db.write(write)


def _the(found: Tags, key: str) -> Tag:
    if key not in found:
        raise not_found("Metadata", key)
    return found[key]


def _given(key: str | None) -> str:
    if not key:
        raise invalid(key="Field required")
    return key


ROUTES = [
    list_instance_metadata,
    update_instance_metadata,
    replace_instance_metadata,
    get_instance_metadata_item,
    delete_instance_metadata_item,
    get_instance_metadata_item_v2,
    delete_instance_metadata_item_v2,
]
