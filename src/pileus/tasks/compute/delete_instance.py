"""delete_vm and delete_bm: take the machine away, and what goes with it.

Arguments: `instance_id`, and what goes with it: `volumes`, `floating_ips`, `ports` (reserved ones), `profiles` (the
protection of freed addresses). What is gone does not come back: when a step fails the instance shows that it is in
error, and can be deleted again.
"""

from msgspec.structs import replace

from pileus.domain.compute.instances import Status
from pileus.domain.network.floating_ips import FloatingIP
from pileus.drivers.protocols.compute import Volumes
from pileus.services.compute.instance_removal import remove_instance_records
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.network import floating_ips
from pileus.store.storage import attachments, volumes
from pileus.tasks.compute.machines import instance_of
from pileus.tasks.network import ddos_profile_sync
from pileus.tasks.network.floating_ip_sync import associate_all, disassociate_all
from pileus.tasks.operation import Created, Operation, Step, TaskContext
from pileus.tasks.storage.volume_sync import destroy_snapshots, mark_snapshots_failed


async def _machine(work: TaskContext) -> None:
    await work.driver.ensure_gone(work.task.args["instance_id"])


async def _lead_nowhere(work: TaskContext) -> None:
    await disassociate_all(work, await _leading(work))


async def _lead(work: TaskContext) -> None:
    await associate_all(work, await _leading(work))


async def _leading(work: TaskContext) -> list[FloatingIP]:
    async with work.db.read() as tx:
        return await floating_ips.of_instance(tx, work.task.args["instance_id"])


async def _volumes(work: TaskContext) -> None:
    if not isinstance(work.driver, Volumes):
        return
    instance_id, going = work.task.args["instance_id"], work.task.args["volumes"]
    async with work.db.read() as tx:
        attached = [volume.id for _, volume in await attachments.with_volumes(tx, instance_id)]
    for volume_id in attached:
        await work.driver.ensure_detached(instance_id, volume_id)
    for volume_id in going:
        await destroy_snapshots(work, volume_id)
        await work.driver.ensure_no_volume(volume_id)


async def _done(tx: Tx, work: TaskContext) -> Created | None:
    args, instance = work.task.args, await instance_of(tx, work)
    going = {"volume_ids": args["volumes"], "floating_ip_ids": args["floating_ips"], "port_ids": args["ports"]}
    await ddos_profile_sync.delete_profiles(tx, work)
    await remove_instance_records(tx, instance, work.now(), **going)
    return None


async def _failed(tx: Tx, work: TaskContext) -> None:
    instance = await instance_of(tx, work)
    await ddos_profile_sync.unlock_profiles(tx, work)
    await instances.save(tx, instance, instance.with_status(Status.ERROR, work.now()).unlocked())
    for _, volume in await attachments.with_volumes(tx, instance.id):
        await volumes.save(tx, volume, replace(volume, task_id=None))
    for floating_ip in await floating_ips.of_instance(tx, instance.id):
        await floating_ips.save(tx, floating_ip, replace(floating_ip, task_id=None))
    for volume_id in work.task.args["volumes"]:
        await mark_snapshots_failed(tx, work, volume_id)


STEPS = (
    Step("remove the machine", _machine),
    Step("stop leading there", _lead_nowhere, undo=_lead),
    Step("remove volumes", _volumes),
    Step("stop protecting", ddos_profile_sync.unprotect),
)
DELETE_INSTANCE = tuple(Operation(task_type, STEPS, _done, _failed) for task_type in ("delete_vm", "delete_bm"))
