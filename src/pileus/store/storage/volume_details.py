"""What volumes show but other tables keep."""

from collections.abc import Sequence

from pileus.domain.storage.volume_details import VolumeAttachmentDetails, VolumeDetails
from pileus.domain.storage.volumes import Volume
from pileus.store import tags
from pileus.store.compute import images
from pileus.store.database import Tx
from pileus.store.rows import in_list
from pileus.store.storage import attachments

HANGING = (
    f"SELECT {attachments.TABLE.columns_as('a')}, i.name, i.flavor_id"  # names of our own
    " FROM attachments a JOIN instances i ON i.id = a.instance_id WHERE a.volume_id IN "
)
SNAPSHOTS = "SELECT volume_id, id FROM snapshots WHERE volume_id IN ({marks}) ORDER BY created_at, id"


async def get(tx: Tx, volume: Volume) -> VolumeDetails:
    """What one volume shows."""
    return (await get_many(tx, [volume]))[volume.id]


async def get_many(tx: Tx, volumes: Sequence[Volume]) -> dict[str, VolumeDetails]:
    """What many volumes show, by their ids."""
    ids = [volume.id for volume in volumes]
    tagged, hanging, taken = (
        await tags.list_by_resources(tx, ids),
        await _attachments(tx, ids),
        await _snapshots(tx, ids),
    )
    marks, values = in_list("id", sorted({volume.image_id for volume in volumes if volume.image_id}))
    behind = {image.id: image for image in await images.TABLE.find(tx, f"id IN ({marks})", **values)}
    return {
        volume.id: VolumeDetails(
            tags=tagged[volume.id],
            hanging=hanging.get(volume.id),
            snapshot_ids=taken[volume.id],
            image=behind.get(volume.image_id or ""),
        )
        for volume in volumes
    }


async def _attachments(tx: Tx, ids: Sequence[str]) -> dict[str, VolumeAttachmentDetails]:
    marks, values = in_list("id", ids)
    found = {}
    for *row, name, flavor_id in await tx.all(f"{HANGING}({marks})", **values):
        attachment = attachments.TABLE.record(tuple(row))
        found[attachment.volume_id] = VolumeAttachmentDetails(
            attachment=attachment, instance_name=name, flavor_id=flavor_id
        )
    return found


async def _snapshots(tx: Tx, ids: Sequence[str]) -> dict[str, list[str]]:
    marks, values = in_list("id", ids)
    found: dict[str, list[str]] = {volume_id: [] for volume_id in ids}
    for volume_id, snapshot_id in await tx.all(SNAPSHOTS.format(marks=marks), **values):
        found[volume_id].append(snapshot_id)
    return found
