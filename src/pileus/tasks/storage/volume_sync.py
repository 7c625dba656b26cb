"""What tasks about volumes and snapshots work on, and the driver that keeps them."""

from functools import partial
from typing import Any

from msgspec.structs import replace

from pileus.domain.compute.images import Image
from pileus.domain.storage.volumes import Attachment, Snapshot, SnapshotStatus, Volume, VolumeStatus
from pileus.drivers.protocols.compute import Disk, DriverError, Extends, Retypes, Snapshots, Volumes
from pileus.drivers.protocols.images import Images
from pileus.store import tags
from pileus.store.account import metering
from pileus.store.compute import images
from pileus.store.database import Tx
from pileus.store.storage import attachments, snapshots, volumes
from pileus.tasks.operation import TaskContext
from pileus.tasks.records import record_of_task


def volume_driver(work: TaskContext) -> Volumes:
    """The driver, if it keeps volumes; raises DriverError."""
    if not isinstance(work.driver, Volumes):
        raise _unable("keeps no volumes")
    return work.driver


def resize_driver(work: TaskContext) -> Extends:
    """The driver, if it can extend volumes; raises DriverError."""
    if not isinstance(work.driver, Extends):
        raise _unable("cannot extend volumes")
    return work.driver


def retype_driver(work: TaskContext) -> Retypes:
    """The driver, if it can change the type of volumes; raises DriverError."""
    if not isinstance(work.driver, Retypes):
        raise _unable("cannot change the type of volumes")
    return work.driver


def snapshot_driver(work: TaskContext) -> Snapshots:
    """The driver, if it keeps snapshots; raises DriverError."""
    if not isinstance(work.driver, Snapshots):
        raise _unable("keeps no snapshots")
    return work.driver


def image_driver(work: TaskContext) -> Images:
    """The driver, if it keeps images; raises DriverError."""
    if not isinstance(work.driver, Images):
        raise _unable("keeps no images")
    return work.driver


def _unable(what: str) -> DriverError:
    return DriverError(f"This cloud's driver {what}", retryable=False)


async def volume_of(tx: Tx, work: TaskContext) -> Volume:
    """The volume that the task is about; raises NotFound."""
    return await record_of_task(tx, work, "volume_id", "Volume", volumes.find)


async def snapshot_of(tx: Tx, work: TaskContext) -> Snapshot:
    """The snapshot that the task is about; raises NotFound."""
    return await record_of_task(tx, work, "snapshot_id", "Snapshot", snapshots.find)


async def image_of(tx: Tx, work: TaskContext) -> Image:
    """The image that the task is about; raises NotFound."""
    return await record_of_task(tx, work, "image_id", "Image", images.find)


async def disk_of(work: TaskContext) -> Disk:
    """The volume that the task is about, as drivers are told of it."""
    async with work.db.read() as tx:
        volume = await volume_of(tx, work)
        attachment = await attachments.of_volume(tx, volume.id)
    return to_disk(volume, attachment)


def to_disk(volume: Volume, attachment: Attachment | None) -> Disk:
    """A volume as drivers are told of it."""
    return Disk(
        id=volume.id,
        size=volume.size,
        type_name=volume.type_name,
        device=attachment.device if attachment else None,
        boot_index=attachment.boot_index if attachment else -1,
        image_id=volume.image_id,
        snapshot_id=volume.snapshot_id,
    )


async def destroy_snapshots(work: TaskContext, volume_id: str) -> None:
    """Destroy a volume's snapshots, and forget each when it is gone."""
    async with work.db.read() as tx:
        taken = await snapshots.of_volume(tx, volume_id)
    for snapshot in taken:
        await snapshot_driver(work).ensure_no_snapshot(snapshot.id)
        await work.write(partial(_forget, work, snapshot))


async def mark_snapshots_failed(tx: Tx, work: TaskContext, volume_id: str) -> None:
    """Let go of the snapshots that could not be destroyed; they can be deleted again."""
    for snapshot in await snapshots.of_volume(tx, volume_id):
        await snapshots.save(tx, snapshot, snapshot.with_status(SnapshotStatus.ERROR_DELETING, work.now()))


async def _forget(work: TaskContext, snapshot: Snapshot, tx: Tx) -> None:
    await metering.close_usage(tx, [snapshot], work.now())
    await tags.remove(tx, snapshot.id)
    await snapshots.remove(tx, snapshot.id)


async def unlock_volume(tx: Tx, work: TaskContext, volume: Volume, **changes: Any) -> None:
    """Let a volume go, in use or free as it hangs somewhere or not, with what else has changed about it."""
    hangs = await attachments.of_volume(tx, volume.id) is not None
    status = VolumeStatus.IN_USE if hangs else VolumeStatus.AVAILABLE
    await volumes.save(tx, volume, replace(volume.with_status(status, work.now()), **changes))
