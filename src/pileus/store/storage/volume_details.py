"""The parts of volumes that other tables hold."""

from collections.abc import Sequence

from pileus.domain.storage.volume_details import VolumeAttachmentDetails, VolumeDetails
from pileus.domain.storage.volumes import Volume
from pileus.store import tags
from pileus.store.compute import images
from pileus.store.database import Tx
from pileus.store.rows import in_list_placeholders
from pileus.store.storage import attachments

ATTACHMENTS = (
    f"SELECT {attachments.TABLE.qualified_columns('a')}, i.name, i.flavor_id"
    " FROM attachments a JOIN instances i ON i.id = a.instance_id WHERE a.volume_id IN "
)
SNAPSHOTS = "SELECT volume_id, id FROM snapshots WHERE volume_id IN ({marks}) ORDER BY created_at, id"


async def get(tx: Tx, volume: Volume) -> VolumeDetails:
    """Return the details of a volume."""
    return (await get_many(tx, [volume]))[volume.id]


async def get_many(tx: Tx, volumes: Sequence[Volume]) -> dict[str, VolumeDetails]:
    """Return the details of volumes, by volume id."""
    ids = [volume.id for volume in volumes]
    tags_by_volume = await tags.list_by_resources(tx, ids)
    attachment_by_volume, snapshot_ids = await _attachments(tx, ids), await _snapshot_ids(tx, ids)
    marks, values = in_list_placeholders("id", sorted({volume.image_id for volume in volumes if volume.image_id}))
    image_by_id = {image.id: image for image in await images.TABLE.find(tx, f"id IN ({marks})", **values)}
    return {
        volume.id: VolumeDetails(
            tags=tags_by_volume[volume.id],
            attachment=attachment_by_volume.get(volume.id),
            snapshot_ids=snapshot_ids[volume.id],
            image=image_by_id.get(volume.image_id or ""),
        )
        for volume in volumes
    }


async def _attachments(tx: Tx, ids: Sequence[str]) -> dict[str, VolumeAttachmentDetails]:
    marks, values = in_list_placeholders("id", ids)
    details = {}
    for *row, name, flavor_id in await tx.all(f"{ATTACHMENTS}({marks})", **values):
        attachment = attachments.TABLE.record_from_row(tx, tuple(row))
        details[attachment.volume_id] = VolumeAttachmentDetails(
            attachment=attachment, instance_name=name, flavor_id=flavor_id
        )
    return details


async def _snapshot_ids(tx: Tx, ids: Sequence[str]) -> dict[str, list[str]]:
    marks, values = in_list_placeholders("id", ids)
    snapshot_ids: dict[str, list[str]] = {volume_id: [] for volume_id in ids}
    for volume_id, snapshot_id in await tx.all(SNAPSHOTS.format(marks=marks), **values):
        snapshot_ids[volume_id].append(snapshot_id)
    return snapshot_ids
