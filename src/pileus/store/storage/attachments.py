"""Attachments of volumes to instances."""

from operator import itemgetter

from pileus.domain.storage.volumes import Attachment, Volume
from pileus.store.compute import instance_stamps
from pileus.store.database import Tx
from pileus.store.rows import Table
from pileus.store.storage import volumes

TABLE = Table("attachments", Attachment, key="volume_id")
WITH_VOLUMES = (
    f"SELECT {TABLE.qualified_columns('a')}, {volumes.TABLE.qualified_columns('v')}"
    " FROM attachments a JOIN volumes v ON v.id = a.volume_id"
    " WHERE a.instance_id = :instance_id"
)


async def add(tx: Tx, attachment: Attachment) -> None:
    """Insert an attachment."""
    await TABLE.add(tx, attachment)
    await instance_stamps.bump(tx, instance_stamps.ITSELF, id=attachment.instance_id)


async def list_with_volumes(tx: Tx, instance_id: str) -> list[tuple[Attachment, Volume]]:
    """Return an instance's attachments with their volumes, in device order."""
    width = len(TABLE.fields)
    rows = await tx.all(WITH_VOLUMES, instance_id=instance_id)
    pairs = [(TABLE.record_from_row(tx, row[:width]), volumes.TABLE.record_from_row(tx, row[width:])) for row in rows]
    return sorted(pairs, key=lambda pair: (len(pair[0].device), pair[0].device))


async def find_boot_volume(tx: Tx, instance_id: str) -> Volume | None:
    """Return the bootable volume with the lowest boot index, or None."""
    attached = await list_with_volumes(tx, instance_id)
    bootable = [
        (attachment.boot_index, volume)
        for attachment, volume in attached
        if attachment.boot_index >= 0 and volume.bootable
    ]
    return min(bootable, key=itemgetter(0))[1] if bootable else None


async def find_by_volume(tx: Tx, volume_id: str) -> Attachment | None:
    """Return the attachment of a volume, or None."""
    return await TABLE.find_one(tx, "volume_id = :volume_id", volume_id=volume_id)


async def remove(tx: Tx, volume_id: str) -> None:
    """Delete the attachment of a volume."""
    await instance_stamps.bump(tx, instance_stamps.WITH_VOLUME, id=volume_id)
    await TABLE.remove(tx, volume_id)


async def set_attached_at(tx: Tx, volume_id: str, now: int) -> None:
    """Save when a volume was attached; does nothing if it is not."""
    await tx.run("UPDATE attachments SET attached_at = :now WHERE volume_id = :volume_id", volume_id=volume_id, now=now)
    await instance_stamps.bump(tx, instance_stamps.WITH_VOLUME, id=volume_id)


async def list_by_instance(tx: Tx, instance_id: str) -> list[Attachment]:
    """Return the attachments of an instance."""
    return await TABLE.find(tx, "instance_id = :instance_id", instance_id=instance_id)
