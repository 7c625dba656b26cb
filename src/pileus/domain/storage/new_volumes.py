"""Plan a volume without an instance."""

from pileus.domain.compute.instance_orders import NewVolume
from pileus.domain.compute.instance_plan import new_volume_from_disk
from pileus.domain.context import Context
from pileus.domain.errors import invalid
from pileus.domain.storage.disks import VolumeSourceRecords, resolve_disk
from pileus.domain.storage.volumes import Volume
from pileus.domain.tags import Tag, make_tags, merged_tags


def plan_volume(
    requested: NewVolume, sources: VolumeSourceRecords, ctx: Context, task_id: str
) -> tuple[Volume, dict[str, Tag]]:
    """Return the requested volume and its tags. Raises Invalid, NotFound or Conflict."""
    disk = resolve_disk(requested, None, sources)
    if disk.snapshot and disk.size != disk.snapshot.size:
        raise invalid(size=f"Input should be equal to the size of the snapshot, {disk.snapshot.size}")
    if disk.image and disk.image.is_baremetal:
        raise invalid(image_id=f"Image {disk.image.name} is for bare metal servers")
    system_tags = make_tags([("task_id", task_id)], read_only=True)
    return new_volume_from_disk(disk, requested.name or "", ctx, task_id), merged_tags(system_tags, requested.tags)
