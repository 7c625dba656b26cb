"""delete_volume: destroy a volume, and first its snapshots.

Arguments: `volume_id`. What is gone does not come back: when a step fails, what is left shows `error_deleting`, and can
be deleted again.
"""

from functools import partial

from pileus.domain.volumes import Snapshot, SnapshotStatus, VolumeStatus
from pileus.store import snapshots, tags, volumes
from pileus.store.database import Tx
from pileus.tasks.operation import Created, Operation, Step, Work
from pileus.tasks.storage import keeper, photographer, volume_of


async def _snapshots(work: Work) -> None:
    async with work.db.read() as tx:
        taken = await snapshots.of_volume(tx, work.task.args["volume_id"])
    for snapshot in taken:
        await photographer(work).ensure_no_snapshot(snapshot.id)
        await work.record(partial(_forgotten, snapshot))


async def _forgotten(snapshot: Snapshot, tx: Tx) -> None:
    await tags.remove(tx, snapshot.id)
    await snapshots.remove(tx, snapshot.id)


async def _destroy(work: Work) -> None:
    await keeper(work).ensure_no_volume(work.task.args["volume_id"])


async def _done(tx: Tx, work: Work) -> Created | None:
    await tags.remove(tx, work.task.args["volume_id"])
    await volumes.remove(tx, work.task.args["volume_id"])
    return None


async def _failed(tx: Tx, work: Work) -> None:
    volume, now = await volume_of(tx, work), work.now()
    await volumes.save(tx, volume, volume.standing(VolumeStatus.ERROR_DELETING, now))
    for snapshot in await snapshots.of_volume(tx, volume.id):
        await snapshots.save(tx, snapshot, snapshot.standing(SnapshotStatus.ERROR_DELETING, now))


STEPS = (Step("destroy the snapshots", _snapshots), Step("destroy the volume", _destroy))
DELETE_VOLUME = Operation("delete_volume", STEPS, _done, _failed)
