"""create_vm and create_bm: from the records of a new instance to a machine that runs.

Arguments: `instance_id`; what was made for it and goes with it if it fails: `volumes`, `floating_ips`; and `ports`, to
be told among what was created; `profiles`, the protection of a bare metal server's public address, if that was asked
for. A failure leaves nothing behind.
"""

from functools import partial

from msgspec.structs import replace

from pileus.domain.compute.instances import Boot, Status
from pileus.domain.compute.placement_groups import choose_host
from pileus.domain.network.floating_ips import FloatingIP
from pileus.domain.storage.volumes import VolumeStatus
from pileus.domain.tasks import created_resources
from pileus.drivers.protocols.compute import DriverError, Hosts, Interfaces, Volumes
from pileus.services.compute.instance_removal import remove_instance_records
from pileus.store.compute import instances, placement_groups
from pileus.store.database import Tx
from pileus.store.network import floating_ips, ports
from pileus.store.storage import attachments, volumes
from pileus.tasks.compute.machines import instance_of, machine_of
from pileus.tasks.network import ddos_profile_sync
from pileus.tasks.network.floating_ip_sync import associate_all, disassociate_all
from pileus.tasks.network.security_group_sync import ensure_default_groups
from pileus.tasks.operation import Created, Operation, Step, TaskContext


async def _place(work: TaskContext) -> None:
    """Choose a host, where the driver has more than one."""
    hosts = await work.driver.hosts(work.task.place.region_id) if isinstance(work.driver, Hosts) else []

    async def write(tx: Tx) -> None:
        instance = await instance_of(tx, work)
        group_id = instance.placement_group_id
        group = await placement_groups.find(tx, group_id) if group_id else None
        if group is not None:
            await placement_groups.bump_revision(tx, group)
        taken = await placement_groups.hosts_of(tx, group.id, instance.id) if group else []
        load = await placement_groups.load(tx, instance.region_id)
        host = choose_host(hosts, load, group.policy if group else None, taken)
        if hosts and host is None:
            raise DriverError("No valid host was found: the placement group leaves none", retryable=False)
        await instances.save(tx, instance, replace(instance, host=host, task_state="block_device_mapping"))

    await work.write(write)


async def _unplace(work: TaskContext) -> None:
    async def write(tx: Tx) -> None:
        instance = await instance_of(tx, work)
        await instances.save(tx, instance, replace(instance, host=None, task_state="scheduling"))

    await work.write(write)


async def _allocate(work: TaskContext) -> None:
    if isinstance(work.driver, Volumes):
        for disk in (await machine_of(work)).disks:
            await work.driver.ensure_volume(disk)
    await work.write(partial(_at, work, "spawning"))


async def _release(work: TaskContext) -> None:
    if isinstance(work.driver, Volumes):
        for volume_id in work.task.args["volumes"]:
            await work.driver.ensure_no_volume(volume_id)


async def _spawn(work: TaskContext) -> None:
    await work.driver.ensure_running(await machine_of(work))
    await work.write(partial(_at, work, "networking"))


async def _remove(work: TaskContext) -> None:
    await work.driver.ensure_gone(work.task.args["instance_id"])


async def _connect(work: TaskContext) -> None:
    machine = await machine_of(work)
    if isinstance(work.driver, Volumes):
        for disk in machine.disks:
            await work.driver.ensure_attached(machine.id, disk)
    if isinstance(work.driver, Interfaces):
        await ensure_default_groups(work, dict.fromkeys(group for nic in machine.nics for group in nic.groups))
        for nic in machine.nics:
            await work.driver.ensure_interface(machine.id, nic)
    await associate_all(work, await _leading(work))


async def _leading(work: TaskContext) -> list[FloatingIP]:
    async with work.db.read() as tx:
        return await floating_ips.of_instance(tx, work.task.args["instance_id"])


async def _disconnect(work: TaskContext) -> None:
    await disassociate_all(work, await _leading(work))
    machine = await machine_of(work)
    if isinstance(work.driver, Interfaces):
        for nic in machine.nics:
            await work.driver.ensure_no_interface(machine.id, nic.port_id)
    if isinstance(work.driver, Volumes):
        for disk in machine.disks:
            await work.driver.ensure_detached(machine.id, disk.id)


async def _at(work: TaskContext, task_state: str, tx: Tx) -> None:
    instance = await instance_of(tx, work)
    await instances.save(tx, instance, replace(instance, task_state=task_state))


async def _done(tx: Tx, work: TaskContext) -> Created | None:
    instance, now, args = await instance_of(tx, work), work.now(), work.task.args
    running = replace(instance.with_status(Status.ACTIVE, now).unlocked(), boot=Boot())
    await instances.save(tx, instance, running)
    for _, volume in await attachments.with_volumes(tx, instance.id):
        used = replace(volume, status=VolumeStatus.IN_USE.value, task_id=None, updated_at=now)
        await volumes.save(tx, volume, used)
    for port in await ports.of_instance(tx, instance.id):
        await ports.save(tx, port, replace(port, task_id=None))
    for floating_ip in await floating_ips.of_instance(tx, instance.id):
        await floating_ips.save(tx, floating_ip, floating_ip.associated_with(floating_ip.target, now))
    await ddos_profile_sync.unlock_profiles(tx, work)
    return created_resources(
        instances=[instance.id], volumes=args["volumes"], floatingips=args["floating_ips"], ports=args["ports"]
    )


async def _failed(tx: Tx, work: TaskContext) -> None:
    args, instance = work.task.args, await instance_of(tx, work)
    new = {"volume_ids": args["volumes"], "floating_ip_ids": args["floating_ips"], "port_ids": ()}
    await ddos_profile_sync.delete_profiles(tx, work)
    await remove_instance_records(tx, instance, work.now(), **new)


STEPS = (
    Step("place", _place, undo=_unplace),
    Step("allocate volumes", _allocate, undo=_release),
    Step("spawn", _spawn, undo=_remove),
    Step("connect", _connect, undo=_disconnect),
)
PROTECTED = Step("protect", ddos_profile_sync.protect, undo=ddos_profile_sync.unprotect)
CREATE_INSTANCE = (
    Operation("create_vm", STEPS, _done, _failed),
    Operation("create_bm", (*STEPS, PROTECTED), _done, _failed),
)
