"""JSON merge patches (RFC 7386), and the fields of a body that were sent."""

from typing import Any

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import asdict

from pileus.api.wire.constraints import Name
from pileus.api.wire.tags import TagChanges
from pileus.domain.patches import ResourcePatch
from pileus.domain.tags import validate_tags


class UpdateResource(Struct, kw_only=True):
    """A JSON merge patch (RFC 7386) of a name and tags."""

    name: Name | UnsetType = UNSET
    tags: TagChanges | UnsetType | None = UNSET

    def to_patch(self) -> ResourcePatch:
        """Return the fields that were sent, with valid tags. Raises Invalid."""
        patch = ResourcePatch()
        if self.name is not UNSET:
            patch["name"] = self.name
        if self.tags is not UNSET:
            patch["tags"] = None if self.tags is None else validate_tags(self.tags)
        return patch


def sent_fields(body: Struct) -> dict[str, Any]:
    """Return the fields of a body that are not UNSET."""
    return {name: value for name, value in asdict(body).items() if value is not UNSET}
