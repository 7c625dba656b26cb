"""Projects as the API returns them."""

from msgspec import Struct

from pileus.api.wire.common import make_view
from pileus.api.wire.times import format_with_microseconds
from pileus.domain.account.projects import Project


class ProjectView(Struct, kw_only=True):
    """A project."""

    id: int
    client_id: int
    name: str
    description: str | None
    state: str
    is_default: bool
    task_id: str | None
    created_at: str
    deleted_at: str | None

    @classmethod
    def of(cls, project: Project) -> "ProjectView":
        """Make the view of a project."""
        return make_view(
            cls,
            project,
            created_at=format_with_microseconds(project.created_at),
            deleted_at=None if project.deleted_at is None else format_with_microseconds(project.deleted_at),
        )
