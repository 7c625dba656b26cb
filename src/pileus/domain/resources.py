"""Resources: the records of a region that tasks lock, owned by a tenant or public."""

from typing import Self

from pileus.domain.errors import Forbidden
from pileus.domain.locks import Lockable
from pileus.domain.places import Place


class TenantResource(Lockable, frozen=True, kw_only=True):
    """A record of a tenant in a region. Times are in microseconds since 1970."""

    client_id: int
    project_id: int
    region_id: int
    created_at: int
    revision: int = 1

    @property
    def place(self) -> Place:
        """The project and region of the record."""
        return Place(self.client_id, self.project_id, self.region_id)


class OwnedOrPublicResource(Lockable, frozen=True, kw_only=True):
    """A record in a region that belongs to a tenant or, if it is public, to nobody."""

    client_id: int | None = None
    project_id: int | None = None
    region_id: int
    creator_task_id: str | None = None
    created_at: int
    updated_at: int
    revision: int = 1

    def require_owned_by(self, place: Place) -> Self:
        """Return the record if it belongs to a project. Raises Forbidden for a public one."""
        if (self.client_id, self.project_id) != (place.client_id, place.project_id):
            raise Forbidden(f"{self.NOUN} {self.id} does not belong to the project: it can be used, but not changed")
        return self
