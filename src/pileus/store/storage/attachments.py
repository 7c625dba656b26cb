"""Which volume hangs on which instance."""

from operator import itemgetter

from pileus.domain.storage.volumes import Attachment, Volume
from pileus.store.database import Tx
from pileus.store.rows import Table
from pileus.store.storage import volumes

TABLE = Table("attachments", Attachment, key="volume_id")
BOTH = (
    f"SELECT {TABLE.columns_as('a')}, {volumes.TABLE.columns_as('v')}"
    " FROM attachments a JOIN volumes v ON v.id = a.volume_id"
    " WHERE a.instance_id = :instance_id ORDER BY length(a.device), a.device"
)


async def list_with_volumes(tx: Tx, instance_id: str) -> list[tuple[Attachment, Volume]]:
    """An instance's attachments with their volumes, in the devices' order."""
    width = len(TABLE.fields)
    rows = await tx.all(BOTH, instance_id=instance_id)
    return [(TABLE.record(row[:width]), volumes.TABLE.record(row[width:])) for row in rows]


async def find_boot_volume(tx: Tx, instance_id: str) -> Volume | None:
    """The volume that an instance tries first to boot from."""
    volumes_of = [(a.boot_index, volume) for a, volume in await list_with_volumes(tx, instance_id) if a.boot_index >= 0]
    return min(volumes_of, key=itemgetter(0))[1] if volumes_of else None


async def find_by_volume(tx: Tx, volume_id: str) -> Attachment | None:
    """Where a volume hangs, or None."""
    return await TABLE.find_one(tx, "volume_id = :volume_id", volume_id=volume_id)


async def add(tx: Tx, attachment: Attachment) -> Attachment:
    """Insert an attachment."""
    return await TABLE.add(tx, attachment)


async def remove(tx: Tx, volume_id: str) -> None:
    """Take a volume off."""
    await TABLE.remove(tx, volume_id)


async def set_attached_at(tx: Tx, volume_id: str, now: int) -> None:
    """Write when a volume was attached; nothing happens if it hangs nowhere."""
    await tx.run("UPDATE attachments SET attached_at = :now WHERE volume_id = :volume_id", volume_id=volume_id, now=now)


async def list_by_instance(tx: Tx, instance_id: str) -> list[Attachment]:
    """What hangs on an instance."""
    return await TABLE.find(tx, "instance_id = :instance_id", instance_id=instance_id)
