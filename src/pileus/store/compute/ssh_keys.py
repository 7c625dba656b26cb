"""SSH keys; one that is not shared is there for its own user only."""

from pileus.domain.compute.ssh_keys import SSHKey
from pileus.domain.errors import Conflict, not_found
from pileus.domain.places import Caller, Place
from pileus.store import queries
from pileus.store.database import Tx
from pileus.store.rows import Table

TABLE = Table("ssh_keys", SSHKey)
ANYWHERE = "client_id = :client_id AND (shared_in_project = 1 OR user_id = :user_id)"
VISIBLE = "client_id = :client_id AND project_id = :project_id AND (shared_in_project = 1 OR user_id = :user_id)"


def _seen_by(place: Place, user_id: int) -> dict[str, int]:
    return {"client_id": place.client_id, "project_id": place.project_id, "user_id": user_id}


async def get(tx: Tx, place: Place, user_id: int, key_id: str) -> SSHKey:
    """One key of a project that a user may see; raises NotFound."""
    found = await TABLE.find_one(tx, f"id = :id AND {VISIBLE}", id=key_id, **_seen_by(place, user_id))
    if found is None:
        raise not_found("SSH key", key_id)
    return found


async def get_in_any_project(tx: Tx, caller: Caller, key_id: str) -> SSHKey:
    """One key that a user may see, in any project; raises NotFound."""
    found = await TABLE.find_one(tx, f"id = :id AND {ANYWHERE}", id=key_id, **_asking(caller))
    if found is None:
        raise not_found("SSH key", key_id)
    return found


async def list_in_all_projects(tx: Tx, caller: Caller, *, project_id: int | None, user_id: int | None) -> list[SSHKey]:
    """The keys that a user may see, in all projects or in one, the latest first; those of one user, if named."""
    where = queries.Where(ANYWHERE, **_asking(caller)).equal("project_id", project_id)
    if user_id is not None:
        where.add("user_id = :owner", owner=user_id)
    return await TABLE.find(tx, f"{where} ORDER BY {queries.order_by('created_at.desc')}", **where.values)


def _asking(caller: Caller) -> dict[str, int]:
    return {"client_id": caller.client_id, "user_id": caller.user_id}


async def find_by_name(tx: Tx, place: Place, user_id: int, name: str) -> SSHKey | None:
    """The key of a project that is called so and that a user may see, or None."""
    return await TABLE.find_one(tx, f"name = :name AND {VISIBLE}", name=name, **_seen_by(place, user_id))


async def find(tx: Tx, key_id: str) -> SSHKey | None:
    """One key, whoever has it."""
    return await TABLE.find_one(tx, "id = :id", id=key_id)


async def page(  # noqa: PLR0913  # each is a fact of its own
    tx: Tx, place: Place, user_id: int, *, name: str | None, order_by: str, limit: int, offset: int
) -> tuple[int, list[SSHKey]]:
    """How many keys of a project a user may see, and some of them; `name` is a part of theirs."""
    where = queries.Where(VISIBLE, **_seen_by(place, user_id)).contains("name", name)
    return await queries.query_page(tx, TABLE, where, queries.order_by(order_by), limit=limit, offset=offset)


async def count(tx: Tx, client_id: int) -> int:
    """How many keys a tenant has."""
    row = await tx.one("SELECT count(*) FROM ssh_keys WHERE client_id = :client_id", client_id=client_id)
    return int(row[0]) if row else 0


async def check_name_free(tx: Tx, place: Place, name: str) -> None:
    """Return if no key of a project is called so, seen or not; raises Conflict."""
    if await TABLE.find_one(tx, "project_id = :project_id AND name = :name", project_id=place.project_id, name=name):
        raise Conflict(f"SSH key with name {name} already exists")


async def add(tx: Tx, key: SSHKey) -> SSHKey:
    """Insert a key."""
    return await TABLE.add(tx, key)


async def save(tx: Tx, before: SSHKey, after: SSHKey) -> SSHKey:
    """Write what changed; raises Stale."""
    return await TABLE.save(tx, before, after)


async def remove(tx: Tx, key_id: str) -> None:
    """Delete a key; servers that were made with it keep it."""
    await TABLE.remove(tx, key_id)
