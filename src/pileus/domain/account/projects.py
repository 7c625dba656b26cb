"""Projects: what a tenant keeps apart."""

from typing import TypedDict

from msgspec import Struct
from msgspec.structs import replace

from pileus.domain.errors import Conflict


class ProjectPatch(TypedDict, total=False):
    """What to change: a key that is absent is left alone."""

    name: str
    description: str | None


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

    def require_unlocked(self) -> "Project":
        """Itself if no task holds it; raises Conflict."""
        if self.task_id is not None:
            raise Conflict(f"Project {self.id} is locked by task {self.task_id}")
        return self

    def patched(self, patch: ProjectPatch) -> "Project":
        """Give it another name or description; raises Conflict while locked."""
        return replace(self.require_unlocked(), **patch)

    def deleting(self, task_id: str) -> "Project":
        """Start its deletion; raises Conflict for the default project and for one held by a task."""
        if self.is_default:
            raise Conflict(f"Project {self.id} is the default project and cannot be deleted")
        return replace(self.require_unlocked(), state="DELETING", task_id=task_id)

    def deleted(self, now: int) -> "Project":
        """End its deletion: it stays in the records."""
        return replace(self, state="DELETED", task_id=None, deleted_at=now)

    def deletion_failed(self) -> "Project":
        """Give up its deletion."""
        return replace(self, state="ACTIVE", task_id=None)
