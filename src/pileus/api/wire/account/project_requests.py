"""Request bodies for projects."""

from msgspec import UNSET, Struct, UnsetType

from pileus.api.wire.constraints import Description, Name
from pileus.domain.account.projects import ProjectPatch


class CreateProject(Struct, kw_only=True):
    """A new project."""

    name: Name
    description: Description | None = None


class UpdateProject(Struct, kw_only=True):
    """Changes of a project. Absent fields do not change."""

    name: Name | UnsetType = UNSET
    description: Description | UnsetType | None = UNSET

    def to_patch(self) -> ProjectPatch:
        """Return the fields that were sent."""
        patch: ProjectPatch = {}
        if self.name is not UNSET:
            patch["name"] = self.name
        if self.description is not UNSET:
            patch["description"] = self.description
        return patch
