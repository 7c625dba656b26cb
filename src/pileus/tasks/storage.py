"""What tasks about volumes and snapshots work on, and the driver that keeps them."""

from typing import TypeVar

from pileus.domain.errors import not_found
from pileus.domain.volumes import Attachment, Snapshot, Volume, VolumeStatus
from pileus.drivers.driver import Disk, DriverError, Extends, Retypes, Snapshots, Volumes
from pileus.store import attachments, snapshots, volumes
from pileus.store.database import Tx
from pileus.tasks.operation import Work

Ability = TypeVar("Ability", Volumes, Extends, Retypes, Snapshots)


def able(work: Work, ability: type[Ability]) -> Ability:
    """The driver, if it has an ability; raises DriverError."""
    if not isinstance(work.driver, ability):
        raise DriverError(f"This cloud cannot do that: its driver has no {ability.__name__}", retryable=False)
    return work.driver


async def volume_of(tx: Tx, work: Work) -> Volume:
    """The volume that the task is about; raises NotFound."""
    volume = await volumes.find(tx, work.task.args["volume_id"])
    if volume is None:
        raise not_found("Volume", work.task.args["volume_id"])
    return volume


async def snapshot_of(tx: Tx, work: Work) -> Snapshot:
    """The snapshot that the task is about; raises NotFound."""
    snapshot = await snapshots.find(tx, work.task.args["snapshot_id"])
    if snapshot is None:
        raise not_found("Snapshot", work.task.args["snapshot_id"])
    return snapshot


async def disk_of(work: Work) -> Disk:
    """The volume that the task is about, as drivers are told of it."""
    async with work.db.read() as tx:
        volume = await volume_of(tx, work)
        attachment = await attachments.of_volume(tx, volume.id)
    return described(volume, attachment)


def described(volume: Volume, attachment: Attachment | None) -> Disk:
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


async def settled(tx: Tx, work: Work, volume: Volume) -> None:
    """Let a volume go, in use or free as it hangs somewhere or not."""
    hangs = await attachments.of_volume(tx, volume.id) is not None
    status = VolumeStatus.IN_USE if hangs else VolumeStatus.AVAILABLE
    await volumes.save(tx, volume, volume.standing(status, work.now()))
