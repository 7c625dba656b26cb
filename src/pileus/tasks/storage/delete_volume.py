"""delete_volume: destroy a volume, and first its snapshots.

Arguments: `volume_id`. What is gone does not come back: when a step fails, what is left shows `error_deleting`, and can
be deleted again.
"""

from pileus.domain.storage.volumes import VolumeStatus
from pileus.store import tags
from pileus.store.account import metering
from pileus.store.database import Tx
from pileus.store.storage import volumes
from pileus.tasks.operation import Created, Operation, Step, Work
from pileus.tasks.storage.storage import destroy_snapshots, keep_snapshots, keeper, volume_of


async def _snapshots(work: Work) -> None:
    await destroy_snapshots(work, work.task.args["volume_id"])


async def _destroy(work: Work) -> None:
    await keeper(work).ensure_no_volume(work.task.args["volume_id"])


async def _done(tx: Tx, work: Work) -> Created | None:
    await metering.ended(tx, [await volume_of(tx, work)], work.now())
    await tags.remove(tx, work.task.args["volume_id"])
    await volumes.remove(tx, work.task.args["volume_id"])
    return None


async def _failed(tx: Tx, work: Work) -> None:
    volume = await volume_of(tx, work)
    await volumes.save(tx, volume, volume.standing(VolumeStatus.ERROR_DELETING, work.now()))
    await keep_snapshots(tx, work, volume.id)


STEPS = (Step("destroy the snapshots", _snapshots), Step("destroy the volume", _destroy))
DELETE_VOLUME = Operation("delete_volume", STEPS, _done, _failed)
