"""Projects."""

from pileus.domain.errors import not_found
from pileus.domain.places import Place
from pileus.domain.projects import Project
from pileus.store.database import Tx
from pileus.store.rows import Table

TABLE = Table("projects", Project)


async def get(tx: Tx, client_id: int, project_id: int) -> Project:
    """One project of a tenant that is not deleted; raises NotFound."""
    found = await TABLE.find_one(
        tx, "id = :id AND client_id = :client_id AND deleted_at IS NULL", id=project_id, client_id=client_id
    )
    if found is None:
        raise not_found("Project", project_id)
    return found


async def present(tx: Tx, place: Place) -> Place:
    """The place itself if its project is the tenant's; raises NotFound."""
    await get(tx, place.client_id, place.project_id)
    return place


async def add(tx: Tx, project: Project) -> Project:
    """Insert a project."""
    return await TABLE.add(tx, project)


async def save(tx: Tx, before: Project, after: Project) -> Project:
    """Write what changed; raises Stale."""
    return await TABLE.save(tx, before, after)
