"""delete_volume: destroy a volume, and first its snapshots.

Arguments: `volume_id`. What is gone does not come back: when a step fails, what is left shows `error_deleting`, and can
be deleted again.
"""

from pileus.domain.storage.volumes import VolumeStatus
from pileus.store import tags
from pileus.store.account import metering
from pileus.store.database import Tx
from pileus.store.storage import volumes
from pileus.tasks.operation import Created, Operation, Step, TaskContext
from pileus.tasks.storage.volume_sync import destroy_snapshots, mark_snapshots_failed, volume_driver, volume_of


async def _snapshots(work: TaskContext) -> None:
    await destroy_snapshots(work, work.task.args["volume_id"])


async def _destroy(work: TaskContext) -> None:
    await volume_driver(work).ensure_no_volume(work.task.args["volume_id"])


async def _done(tx: Tx, work: TaskContext) -> Created | None:
    await metering.close_usage(tx, [await volume_of(tx, work)], work.now())
    await tags.remove(tx, work.task.args["volume_id"])
    await volumes.remove(tx, work.task.args["volume_id"])
    return None


async def _failed(tx: Tx, work: TaskContext) -> None:
    volume = await volume_of(tx, work)
    await volumes.save(tx, volume, volume.with_status(VolumeStatus.ERROR_DELETING, work.now()))
    await mark_snapshots_failed(tx, work, volume.id)


STEPS = (Step("destroy the snapshots", _snapshots), Step("destroy the volume", _destroy))
DELETE_VOLUME = Operation("delete_volume", STEPS, _done, _failed)
