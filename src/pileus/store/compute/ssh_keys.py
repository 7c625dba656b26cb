"""SSH keys; a key that is not shared in its project is visible to its own user only."""

from pileus.domain.compute.ssh_keys import SSHKey
from pileus.domain.errors import Conflict, not_found
from pileus.domain.places import Caller, Place
from pileus.store import queries
from pileus.store.database import Tx
from pileus.store.rows import Table

TABLE = Table("ssh_keys", SSHKey)
find, add, save = TABLE.find_by_id, TABLE.add, TABLE.save
VISIBLE_IN_ANY_PROJECT = "client_id = :client_id AND (shared_in_project = 1 OR user_id = :user_id)"
VISIBLE = "client_id = :client_id AND project_id = :project_id AND (shared_in_project = 1 OR user_id = :user_id)"


def _visible_params(place: Place, user_id: int) -> dict[str, int]:
    return {"client_id": place.client_id, "project_id": place.project_id, "user_id": user_id}


async def get(tx: Tx, place: Place, user_id: int, key_id: str) -> SSHKey:
    """Return a key of a project that is visible to a user; raises NotFound."""
    key = await TABLE.find_one(tx, f"id = :id AND {VISIBLE}", id=key_id, **_visible_params(place, user_id))
    if key is None:
        raise not_found("SSH key", key_id)
    return key


async def get_in_any_project(tx: Tx, caller: Caller, key_id: str) -> SSHKey:
    """Return a key that is visible to a user, in any project; raises NotFound."""
    key = await TABLE.find_one(tx, f"id = :id AND {VISIBLE_IN_ANY_PROJECT}", id=key_id, **_caller_params(caller))
    if key is None:
        raise not_found("SSH key", key_id)
    return key


async def list_in_all_projects(tx: Tx, caller: Caller, *, project_id: int | None, user_id: int | None) -> list[SSHKey]:
    """Return the keys visible to a user, newest first; filtered by project and owner if given."""
    where = queries.Where(VISIBLE_IN_ANY_PROJECT, **_caller_params(caller)).equal("project_id", project_id)
    if user_id is not None:
        where.add("user_id = :owner", owner=user_id)
    return await TABLE.find(tx, f"{where} ORDER BY {queries.order_by_expression('created_at.desc')}", **where.values)


def _caller_params(caller: Caller) -> dict[str, int]:
    return {"client_id": caller.client_id, "user_id": caller.user_id}


async def find_by_name(tx: Tx, place: Place, user_id: int, name: str) -> SSHKey | None:
    """Return the key of a project with this name if it is visible to a user, or None."""
    return await TABLE.find_one(tx, f"name = :name AND {VISIBLE}", name=name, **_visible_params(place, user_id))


async def page(
    tx: Tx, place: Place, user_id: int, *, name: str | None, order_by: str, limit: int, offset: int
) -> tuple[int, list[SSHKey]]:
    """Return the number of keys of a project visible to a user and one page; `name` is a part of the key's name."""
    where = queries.Where(VISIBLE, **_visible_params(place, user_id)).contains("name", name)
    return await queries.page(tx, TABLE, where, queries.order_by_expression(order_by), limit=limit, offset=offset)


async def count(tx: Tx, client_id: int) -> int:
    """Count the keys of a tenant."""
    row = await tx.one("SELECT count(*) FROM ssh_keys WHERE client_id = :client_id", client_id=client_id)
    return int(row[0]) if row else 0


async def check_name_free(tx: Tx, place: Place, name: str) -> None:
    """Raise Conflict if a key of the project has this name, visible or not."""
    if await TABLE.find_one(tx, "project_id = :project_id AND name = :name", project_id=place.project_id, name=name):
        raise Conflict(f"SSH key with name {name} already exists")


async def remove(tx: Tx, key_id: str) -> None:
    """Delete a key; instances created with it keep it."""
    await TABLE.remove(tx, key_id)
