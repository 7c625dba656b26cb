"""Projects: a tenant's separate sets of resources."""

from typing import ClassVar, TypedDict

from msgspec.structs import replace

from pileus.domain.errors import Invalid
from pileus.domain.locks import Lockable


class ProjectPatch(TypedDict, total=False):
    """Changes of a project. An absent key leaves the field unchanged."""

    name: str
    description: str | None


class Project(Lockable, frozen=True, kw_only=True):
    """A project. The default project cannot be deleted."""

    NOUN: ClassVar[str] = "Project"
    id: int
    client_id: int
    name: str
    description: str | None = None
    state: str = "ACTIVE"
    is_default: bool = False
    created_at: int
    deleted_at: int | None = None
    revision: int = 1

    def patched(self, patch: ProjectPatch) -> "Project":
        """Apply a new name or description. Raises Conflict while the project is locked."""
        return replace(self.require_unlocked(), **patch)

    def require_deletable(self) -> "Project":
        """Return the project. Raises Invalid for the default project, Conflict for a locked one."""
        if self.is_default:
            raise Invalid(f"Project {self.id} is the default project and cannot be deleted")
        return self.require_unlocked()

    def deleting(self, task_id: str) -> "Project":
        """Start the deletion. Raises Invalid for the default project, Conflict for a locked one."""
        return replace(self.require_deletable(), state="DELETING", task_id=task_id)

    def deleted(self, now: int) -> "Project":
        """Complete the deletion. The record is kept."""
        return replace(self, state="DELETED", task_id=None, deleted_at=now)

    def deletion_failed(self) -> "Project":
        """Return the project to ACTIVE after a failed deletion."""
        return replace(self, state="ACTIVE", task_id=None)
