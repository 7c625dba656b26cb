"""Release the records of a task that cannot run, because its arguments do not match its type."""

from collections.abc import Mapping

from pileus.domain.compute.images import ImageStatus
from pileus.domain.compute.instances import Status
from pileus.domain.network.ddos_profiles import DdosProfileStatus
from pileus.domain.storage.volumes import SnapshotStatus, VolumeStatus
from pileus.domain.tasks import Task
from pileus.store import project_contents
from pileus.store.account import projects
from pileus.store.compute import instances
from pileus.store.database import Tx

ERROR_STATUSES: Mapping[str, str] = {
    "volumes": VolumeStatus.ERROR,
    "snapshots": SnapshotStatus.ERROR,
    "images": ImageStatus.ERROR,
    "ddos_profiles": DdosProfileStatus.ERROR,
}
"""The error status of the records in a table. Other resources have none, but for instances."""


async def release_records(tx: Tx, task: Task, now: int) -> None:
    """Unlock the records that a task has locked, and put them in error: nobody knows how far the task has come."""
    if task.project_id is None:
        return
    for instance in await project_contents.list_by_lock(tx, instances.TABLE, task.project_id, task.id):
        await instances.save(tx, instance, instance.with_status(Status.ERROR, now).unlocked())
    for table, status in ERROR_STATUSES.items():
        await project_contents.set_status_by_lock(tx, table, task.project_id, task.id, status)
    await project_contents.unlock(tx, task.project_id, task.id)
    project = await projects.TABLE.find_by_id(tx, task.project_id)
    if project is not None and project.task_id == task.id:
        await projects.save(tx, project, project.deletion_failed())
