"""Projects."""

from pileus.domain.account.projects import Project
from pileus.domain.errors import Conflict, not_found
from pileus.domain.places import Place
from pileus.store import queries
from pileus.store.account import account_revisions
from pileus.store.database import FOR_CHANGE, FOR_USE, Tx
from pileus.store.rows import Table

TABLE = Table("projects", Project)


async def add(tx: Tx, project: Project) -> Project:
    """Insert a project."""
    await account_revisions.bump(tx, project.client_id)
    return await TABLE.add(tx, project)


async def save(tx: Tx, before: Project, after: Project) -> Project:
    """Write the fields that differ; raises Stale if another request changed the project."""
    await account_revisions.bump(tx, before.client_id)
    return await TABLE.save(tx, before, after)


async def get(tx: Tx, client_id: int, project_id: int, *, lock: str = "") -> Project:
    """Return a project of a tenant that is not deleted; raises NotFound."""
    where = f"id = :id AND client_id = :client_id AND deleted_at IS NULL {lock}"
    project = await TABLE.find_one(tx, where, id=project_id, client_id=client_id)
    if project is None:
        raise not_found("Project", project_id)
    return project


async def require_existing(tx: Tx, place: Place) -> Place:
    """Return the place if its project exists and is the tenant's; raises NotFound."""
    await get(tx, place.client_id, place.project_id)
    return place


async def require_active(tx: Tx, place: Place) -> Place:
    """Return the place if resources may be created in it; its deletion then waits until the transaction ends.

    Raises NotFound, or Conflict while it is being deleted.
    """
    (await get(tx, place.client_id, place.project_id, lock=FOR_USE)).require_unlocked()
    return place


async def page(
    tx: Tx, client_id: int, *, name: str | None, deleted: bool, order_by: str, limit: int, offset: int
) -> tuple[int, list[Project]]:
    """Return the number of a tenant's projects and one page; `order_by` is a column, a dot and a direction.

    The name is matched in upper or lower case.
    """
    where = queries.Where("client_id = :client_id", client_id=client_id).equal_ignoring_case("name", name)
    if not deleted:
        where.add("deleted_at IS NULL")
    return await queries.page(tx, TABLE, where, queries.order_by_expression(order_by), limit=limit, offset=offset)


async def list_of_client(tx: Tx, client_id: int) -> list[Project]:
    """Return all projects of a tenant, deleted ones included, oldest first."""
    return await TABLE.find(tx, "client_id = :client_id ORDER BY id", client_id=client_id)


async def count(tx: Tx, client_id: int) -> int:
    """Count the projects of a tenant."""
    row = await tx.one("SELECT count(*) FROM projects WHERE client_id = :id AND deleted_at IS NULL", id=client_id)
    return int(row[0]) if row else 0


async def lock_all(tx: Tx, client_id: int) -> list[Project]:
    """Lock the projects of a tenant until the transaction ends, and return them: nothing is created in them."""
    where = f"client_id = :client_id AND deleted_at IS NULL ORDER BY id {FOR_CHANGE}"
    return await TABLE.find(tx, where, client_id=client_id)


async def check_name_free(tx: Tx, client_id: int, name: str) -> None:
    """Raise Conflict if a tenant has a project with this name."""
    taken = "client_id = :client_id AND name = :name AND deleted_at IS NULL"
    if await TABLE.find_one(tx, taken, client_id=client_id, name=name):
        raise Conflict(f"Project with name {name} already exists")


async def get_by_id(tx: Tx, project_id: int) -> Project:
    """Return a project of any tenant, deleted ones included; raises NotFound."""
    project = await TABLE.find_by_id(tx, project_id)
    if project is None:
        raise not_found("Project", project_id)
    return project
