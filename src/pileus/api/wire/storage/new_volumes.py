"""New volumes in request bodies, of instances and on their own."""

from collections.abc import Mapping

from msgspec import Struct

from pileus.domain.compute.instance_orders import NewVolume, VolumeSource
from pileus.domain.tags import validate_tags

SOURCE_IDS = {
    VolumeSource.IMAGE: "image_id",
    VolumeSource.SNAPSHOT: "snapshot_id",
    VolumeSource.APPTEMPLATE: "apptemplate_id",
    VolumeSource.EXISTING: "volume_id",
}
"""The field with the id of the source."""


def make_new_volume(body: Struct, tags: Mapping[str, str]) -> NewVolume:
    """Make the volume that a body describes; the body's tag is the source. Raises Invalid for wrong tags."""
    source = VolumeSource(str(body.__struct_config__.tag))
    source_id = getattr(body, SOURCE_IDS[source]) if source in SOURCE_IDS else None
    names = [name for name in NewVolume.__struct_fields__ if name in body.__struct_fields__ and name != "tags"]
    fields = {name: getattr(body, name) for name in names}
    return NewVolume(source=source, source_id=source_id, tags=validate_tags(tags), **fields)
