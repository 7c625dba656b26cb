"""Request bodies for snapshots."""

from msgspec import Struct

from pileus.api.wire.constraints import Description, Name, Uuid
from pileus.api.wire.legacy import CreateTaggedResource
from pileus.api.wire.tags import TagChanges
from pileus.domain.tags import validate_tags


class CreateSnapshot(CreateTaggedResource, kw_only=True):
    """A new snapshot of a volume."""

    volume_id: Uuid
    name: Name
    description: Description | None = None


class SnapshotPriceRequest(Struct, kw_only=True):
    """The volume to price a snapshot of."""

    volume_id: str


def replacement_tags(body: TagChanges) -> dict[str, str]:
    """Return the tags of a body that replaces all tags; null counts as absent. Raises Invalid."""
    return {key: value for key, value in validate_tags(body).items() if value is not None}
