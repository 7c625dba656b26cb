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
from pileus.drivers.driver import Protects, Snapshots, Volumes
from pileus.drivers.images import Images
from pileus.store import contents
from pileus.store.account import metering, projects
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.network import ddos_profiles
from pileus.tasks.network import project_networks
from pileus.tasks.operation import Created, Operation, Step, Work


async def _machines(work: Work) -> None:
    for instance_id in await _ids(work, "instances"):
        await work.driver.ensure_gone(instance_id)
        await work.record(partial(_gone, work, instance_id))


async def _snapshots(work: Work) -> None:
    if not isinstance(work.driver, Snapshots):
        return
    for snapshot_id in await _ids(work, "snapshots"):
        await work.record(partial(contents.stand, "snapshots", snapshot_id, SnapshotStatus.DELETING))
        await work.driver.ensure_no_snapshot(snapshot_id)


async def _volumes(work: Work) -> None:
    if not isinstance(work.driver, Volumes):
        return
    for volume_id in await _ids(work, "volumes"):
        await work.record(partial(contents.stand, "volumes", volume_id, VolumeStatus.DELETING))
        await work.driver.ensure_no_volume(volume_id)


async def _images(work: Work) -> None:
    if not isinstance(work.driver, Images):
        return
    for image_id in await _ids(work, "images"):
        await work.record(partial(contents.stand, "images", image_id, ImageStatus.DELETING))
        await work.driver.ensure_no_image(image_id)


async def _protection(work: Work) -> None:
    if not isinstance(work.driver, Protects):
        return
    async with work.db.scan() as tx:
        profiles = await ddos_profiles.TABLE.find(tx, contents.OWN, project_id=work.task.args["project_id"])
    for profile in profiles:
        await work.driver.ensure_unprotected(profile.region_id, profile.ip_address)
        await work.record(partial(_unprotected, profile.id))


async def _ids(work: Work, table: str) -> list[str]:
    async with work.db.scan() as tx:
        return await contents.ids(tx, table, work.task.args["project_id"])


async def _gone(work: Work, instance_id: str, tx: Tx) -> None:
    if instance := await instances.find(tx, instance_id):
        await instances.save(tx, instance, instance.standing(Status.DELETED, work.now()))


async def _unprotected(profile_id: int, tx: Tx) -> None:
    if profile := await ddos_profiles.find(tx, profile_id):
        await ddos_profiles.save(tx, profile, replace(profile, active=False))


async def _done(tx: Tx, work: Work) -> Created | None:
    project_id = work.task.args["project_id"]
    await contents.check(tx, project_id, work.task.id)
    await metering.project_ended(tx, project_id, work.now())
    await contents.remove(tx, project_id)
    project = await projects.known(tx, project_id)
    await projects.save(tx, project, project.left(work.now()))
    return None


async def _failed(tx: Tx, work: Work) -> None:
    project_id = work.task.args["project_id"]
    for instance in await instances.TABLE.find(tx, f"{contents.OWN} AND status = 'DELETED'", project_id=project_id):
        await instances.save(tx, instance, instance.standing(Status.ERROR, work.now()))
    await contents.stand_all("volumes", project_id, VolumeStatus.DELETING, VolumeStatus.ERROR_DELETING, tx)
    await contents.stand_all("images", project_id, ImageStatus.DELETING, ImageStatus.ERROR, tx)
    await contents.stand_all("snapshots", project_id, SnapshotStatus.DELETING, SnapshotStatus.ERROR_DELETING, tx)
    await contents.unlock(tx, project_id, work.task.id)
    project = await projects.known(tx, project_id)
    await projects.save(tx, project, project.stayed())


STEPS = (
    Step("remove servers", _machines),
    Step("remove snapshots", _snapshots),
    Step("remove volumes", _volumes),
    Step("remove security groups", project_networks.remove_guards, undo=project_networks.make_guards),
    Step("remove images", _images),
    Step("remove routers", project_networks.remove_routers, undo=project_networks.make_routers),
    Step("remove networks", project_networks.remove_networks, undo=project_networks.make_networks),
    Step("remove protection", _protection),
)
DELETE_PROJECT = Operation("delete_project", STEPS, _done, _failed)
