"""Projects: as the API shows them, and the bodies that make and change them."""

from msgspec import UNSET, Struct, UnsetType

from pileus.api.wire.constraints import Description, Name
from pileus.api.wire.times import naive_micros
from pileus.domain.account.projects import Project, ProjectPatch


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
        """Show a project."""
        return cls(
            id=project.id,
            client_id=project.client_id,
            name=project.name,
            description=project.description,
            state=project.state,
            is_default=project.is_default,
            task_id=project.task_id,
            created_at=naive_micros(project.created_at),
            deleted_at=None if project.deleted_at is None else naive_micros(project.deleted_at),
        )


class CreateProject(Struct, kw_only=True):
    """A project to make."""

    name: Name
    description: Description | None = None


class UpdateProject(Struct, kw_only=True):
    """What to change of a project; what is absent stays."""

    name: Name | UnsetType = UNSET
    description: Description | UnsetType | None = UNSET

    def patch(self) -> ProjectPatch:
        """The fields that were sent, and no others."""
        patch: ProjectPatch = {}
        if self.name is not UNSET:
            patch["name"] = self.name
        if self.description is not UNSET:
            patch["description"] = self.description
        return patch
