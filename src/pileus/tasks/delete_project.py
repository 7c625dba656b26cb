"""delete_project: take away everything that is in a project, then the project.

Arguments: `project_id`. What is gone does not come back: when a step fails the project stays, with what is left of it;
a server that has lost its machine, and the volumes if their removal had begun, then show that they are in error.
"""

from functools import partial

from msgspec.structs import replace

from pileus.domain.instances import Status
from pileus.domain.volumes import VolumeStatus
from pileus.drivers.driver import Volumes
from pileus.store import contents, instances, projects, volumes
from pileus.store.database import Tx
from pileus.tasks.operation import Created, Operation, Step, Work


async def _machines(work: Work) -> None:
    for instance_id in await _ids(work, "instances"):
        await work.driver.ensure_gone(instance_id)
        await work.record(partial(_gone, work, instance_id))


async def _volumes(work: Work) -> None:
    if not isinstance(work.driver, Volumes):
        return
    for volume_id in await _ids(work, "volumes"):
        await work.record(partial(_leaving, volume_id))
        await work.driver.ensure_no_volume(volume_id)


async def _ids(work: Work, table: str) -> list[str]:
    async with work.db.scan() as tx:
        return await contents.ids(tx, table, work.task.args["project_id"])


async def _gone(work: Work, instance_id: str, tx: Tx) -> None:
    if instance := await instances.find(tx, instance_id):
        await instances.save(tx, instance, instance.standing(Status.DELETED, work.now()))


async def _leaving(volume_id: str, tx: Tx) -> None:
    if volume := await volumes.find(tx, volume_id):
        await volumes.save(tx, volume, replace(volume, status=VolumeStatus.DELETING.value))


async def _done(tx: Tx, work: Work) -> Created | None:
    project_id = work.task.args["project_id"]
    await contents.check(tx, project_id, work.task.id)
    await contents.remove(tx, project_id)
    project = await projects.known(tx, project_id)
    await projects.save(tx, project, project.left(work.now()))
    return None


async def _failed(tx: Tx, work: Work) -> None:
    project_id = work.task.args["project_id"]
    for instance in await instances.TABLE.find(tx, f"{contents.OWN} AND status = 'DELETED'", project_id=project_id):
        await instances.save(tx, instance, instance.standing(Status.ERROR, work.now()))
    for volume in await volumes.TABLE.find(tx, f"{contents.OWN} AND status = 'deleting'", project_id=project_id):
        await volumes.save(tx, volume, replace(volume, status=VolumeStatus.ERROR.value))
    await contents.unlock(tx, project_id, work.task.id)
    project = await projects.known(tx, project_id)
    await projects.save(tx, project, project.stayed())


DELETE_PROJECT = Operation(
    "delete_project", (Step("remove servers", _machines), Step("remove volumes", _volumes)), _done, _failed
)
