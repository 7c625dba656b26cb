"""Projects: what a tenant keeps apart."""

from msgspec import Struct
from msgspec.structs import replace

from pileus.domain.errors import Conflict


class Project(Struct, frozen=True, kw_only=True):
    """One project; the default one cannot be deleted."""

    id: int
    client_id: int
    name: str
    description: str | None = None
    state: str = "ACTIVE"
    is_default: bool = False
    task_id: str | None = None
    created_at: int
    deleted_at: int | None = None
    revision: int = 1

    def leaving(self, task_id: str) -> "Project":
        """Start its deletion; raises Conflict for the default project and for one held by a task."""
        if self.is_default:
            raise Conflict(f"Project {self.id} is the default project and cannot be deleted")
        if self.task_id is not None:
            raise Conflict(f"Project {self.id} is locked by task {self.task_id}")
        return replace(self, state="DELETING", task_id=task_id)
