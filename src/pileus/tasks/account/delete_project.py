"""delete_project: take away everything that is in a project, then the project.

Arguments: `project_id`. What is gone does not come back: when a step fails the project stays, with what is left of it,
and can be deleted again. Servers that have lost their machine, and volumes, images and snapshots whose removal had
begun, then show that they are in error; addresses that have lost their protection, that it is off. Networks and routers
come back.
"""

from functools import partial

from msgspec.structs import replace

from pileus.domain.compute.images import ImageStatus
from pileus.domain.compute.instances import Status
from pileus.domain.storage.volumes import SnapshotStatus, VolumeStatus
from pileus.drivers.protocols.compute import Protects, Snapshots, Volumes
from pileus.drivers.protocols.images import Images
from pileus.store import project_contents
from pileus.store.account import metering, projects
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.network import ddos_profiles
from pileus.tasks.network import project_networks
from pileus.tasks.operation import Created, Operation, Step, TaskContext


async def _machines(work: TaskContext) -> None:
    for instance_id in await _ids(work, "instances"):
        await work.driver.ensure_gone(instance_id)
        await work.write(partial(_gone, work, instance_id))


async def _snapshots(work: TaskContext) -> None:
    if not isinstance(work.driver, Snapshots):
        return
    for snapshot_id in await _ids(work, "snapshots"):
        await work.write(partial(project_contents.set_status, "snapshots", snapshot_id, SnapshotStatus.DELETING))
        await work.driver.ensure_no_snapshot(snapshot_id)


async def _volumes(work: TaskContext) -> None:
    if not isinstance(work.driver, Volumes):
        return
    for volume_id in await _ids(work, "volumes"):
        await work.write(partial(project_contents.set_status, "volumes", volume_id, VolumeStatus.DELETING))
        await work.driver.ensure_no_volume(volume_id)


async def _images(work: TaskContext) -> None:
    if not isinstance(work.driver, Images):
        return
    for image_id in await _ids(work, "images"):
        await work.write(partial(project_contents.set_status, "images", image_id, ImageStatus.DELETING))
        await work.driver.ensure_no_image(image_id)


async def _protection(work: TaskContext) -> None:
    if not isinstance(work.driver, Protects):
        return
    async with work.db.scan() as tx:
        profiles = await ddos_profiles.TABLE.find(tx, project_contents.OWN, project_id=work.task.args["project_id"])
    for profile in profiles:
        await work.driver.ensure_unprotected(profile.region_id, profile.ip_address)
        await work.write(partial(_unprotected, profile.id))


async def _ids(work: TaskContext, table: str) -> list[str]:
    async with work.db.scan() as tx:
        return await project_contents.ids(tx, table, work.task.args["project_id"])


async def _gone(work: TaskContext, instance_id: str, tx: Tx) -> None:
    if instance := await instances.find(tx, instance_id):
        await instances.save(tx, instance, instance.with_status(Status.DELETED, work.now()))


async def _unprotected(profile_id: int, tx: Tx) -> None:
    if profile := await ddos_profiles.find(tx, profile_id):
        await ddos_profiles.save(tx, profile, replace(profile, active=False))


async def _done(tx: Tx, work: TaskContext) -> Created | None:
    project_id = work.task.args["project_id"]
    await project_contents.check(tx, project_id, work.task.id)
    await metering.close_project_usage(tx, project_id, work.now())
    await project_contents.remove(tx, project_id)
    project = await projects.find(tx, project_id)
    await projects.save(tx, project, project.deleted(work.now()))
    return None


async def _failed(tx: Tx, work: TaskContext) -> None:
    project_id = work.task.args["project_id"]
    for instance in await instances.TABLE.find(
        tx, f"{project_contents.OWN} AND status = 'DELETED'", project_id=project_id
    ):
        await instances.save(tx, instance, instance.with_status(Status.ERROR, work.now()))
    await project_contents.set_status_of_all(
        "volumes", project_id, VolumeStatus.DELETING, VolumeStatus.ERROR_DELETING, tx
    )
    await project_contents.set_status_of_all("images", project_id, ImageStatus.DELETING, ImageStatus.ERROR, tx)
    await project_contents.set_status_of_all(
        "snapshots", project_id, SnapshotStatus.DELETING, SnapshotStatus.ERROR_DELETING, tx
    )
    await project_contents.unlock(tx, project_id, work.task.id)
    project = await projects.find(tx, project_id)
    await projects.save(tx, project, project.deletion_failed())


STEPS = (
    Step("remove servers", _machines),
    Step("remove snapshots", _snapshots),
    Step("remove volumes", _volumes),
    Step(
        "remove security groups", project_networks.remove_security_groups, undo=project_networks.restore_security_groups
    ),
    Step("remove images", _images),
    Step("remove routers", project_networks.remove_routers, undo=project_networks.make_routers),
    Step("remove networks", project_networks.remove_networks, undo=project_networks.make_networks),
    Step("remove protection", _protection),
)
DELETE_PROJECT = Operation("delete_project", STEPS, _done, _failed)
