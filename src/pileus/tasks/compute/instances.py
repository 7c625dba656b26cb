"""Create, delete, resize and rebuild instances, virtual machines and bare metal servers alike.

A failed creation leaves nothing behind. Deleting and rebuilding cannot be undone: after a failure the instance is in
ERROR, and can be deleted or rebuilt again; volumes whose deletion had begun are in `error_deleting`. While an instance
is resized, its record has the new flavor already.
"""

from collections.abc import Sequence
from functools import partial

from msgspec.structs import replace

from pileus.domain.compute.instances import FirstBootData, Instance, Status
from pileus.domain.compute.placement_groups import PlacementGroup, choose_host
from pileus.domain.compute.task_types import (
    CREATE_BAREMETAL,
    CREATE_VM,
    DELETE_BAREMETAL,
    DELETE_VM,
    REBUILD_BAREMETAL,
    RESIZE_VM,
    CreateInstanceArgs,
    DeleteInstanceArgs,
    InstanceTaskArgs,
    ResizeInstanceArgs,
)
from pileus.domain.errors import Conflict
from pileus.domain.network.floating_ips import FloatingIP
from pileus.domain.storage.volumes import VolumeStatus
from pileus.domain.tasks import created_resources_by_kind
from pileus.drivers.protocols.compute import SupportsHosts
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.network import SupportsInterfaces
from pileus.drivers.protocols.storage import SupportsVolumes
from pileus.services.compute.instance_deletion import remove_instance_records
from pileus.store.compute import instances, placement_groups
from pileus.store.database import Tx
from pileus.store.network import floating_ips, ports
from pileus.store.storage import attachments, volumes
from pileus.tasks.capabilities import require_rebuild_support
from pileus.tasks.compute.machines import load_machine_spec
from pileus.tasks.network import ddos_profiles
from pileus.tasks.network.floating_ips import assign_floating_ips, unassign_floating_ips
from pileus.tasks.network.security_groups import apply_default_groups
from pileus.tasks.operation import CreatedResources, Operation, Step, TaskContext
from pileus.tasks.storage.snapshots import delete_volume_snapshots, save_snapshots_as_error_deleting


async def _schedule(ctx: TaskContext[CreateInstanceArgs]) -> None:
    """Choose a host, once, if the driver has several. Raises Conflict for an order that has to fail."""
    if ctx.args.refusal is not None:
        raise Conflict(ctx.args.refusal)
    hosts = await ctx.driver.list_host_names(ctx.task.place.region_id) if isinstance(ctx.driver, SupportsHosts) else []

    async def write(tx: Tx) -> None:
        instance = await instances.require(tx, ctx.args.instance_id)
        group_id = instance.placement_group_id
        group = await placement_groups.find(tx, group_id) if group_id else None
        if group is not None:
            await placement_groups.bump_revision(tx, group)
        host = instance.host or await _choose_host(tx, instance, group, hosts)
        if hosts and host is None:
            raise DriverError("No valid host was found: the placement group leaves none", retryable=False)
        await instances.save(tx, instance, replace(instance, host=host, task_state="block_device_mapping"))

    await ctx.write(write)


async def _choose_host(tx: Tx, instance: Instance, group: PlacementGroup | None, hosts: Sequence[str]) -> str | None:
    taken = await placement_groups.list_member_hosts(tx, group.id, instance.id) if group else []
    load = await placement_groups.count_instances_by_host(tx, instance.region_id)
    return choose_host(hosts, load, group.policy if group else None, taken)


async def _unschedule(ctx: TaskContext[CreateInstanceArgs]) -> None:
    async def write(tx: Tx) -> None:
        instance = await instances.require(tx, ctx.args.instance_id)
        await instances.save(tx, instance, replace(instance, host=None, task_state="scheduling"))

    await ctx.write(write)


async def _create_volumes(ctx: TaskContext[CreateInstanceArgs]) -> None:
    if isinstance(ctx.driver, SupportsVolumes):
        for disk in (await load_machine_spec(ctx, ctx.args.instance_id)).disks:
            await ctx.driver.ensure_volume(replace(disk, is_new=disk.id in ctx.args.volumes))
    ctx.pending.set(partial(_save_task_state, ctx, "spawning"))


async def _destroy_volumes(ctx: TaskContext[CreateInstanceArgs]) -> None:
    if isinstance(ctx.driver, SupportsVolumes):
        for volume_id in ctx.args.volumes:
            await ctx.driver.ensure_no_volume(volume_id)


async def _spawn(ctx: TaskContext[CreateInstanceArgs]) -> None:
    await ctx.driver.ensure_running_machine(await load_machine_spec(ctx, ctx.args.instance_id))
    ctx.pending.set(partial(_save_task_state, ctx, "networking"))


async def _save_task_state(ctx: TaskContext[CreateInstanceArgs], task_state: str, tx: Tx) -> None:
    instance = await instances.require(tx, ctx.args.instance_id)
    await instances.save(tx, instance, replace(instance, task_state=task_state))


async def _destroy_machine(ctx: TaskContext[InstanceTaskArgs]) -> None:
    await ctx.driver.ensure_no_machine(ctx.args.instance_id)


async def _destroy_spawned(ctx: TaskContext[CreateInstanceArgs]) -> None:
    await _destroy_machine(ctx)
    if isinstance(ctx.driver, SupportsVolumes):
        await _release_volumes(ctx, ctx.driver)


async def _release_volumes(ctx: TaskContext[InstanceTaskArgs], driver: SupportsVolumes) -> None:
    """Detach all volumes of a machine that does not exist any more."""
    async with ctx.db.read() as tx:
        attached = await attachments.list_with_volumes(tx, ctx.args.instance_id)
    for _, volume in attached:
        await driver.ensure_no_volume_attachment(ctx.args.instance_id, volume.id)


async def _connect(ctx: TaskContext[CreateInstanceArgs]) -> None:
    machine = await load_machine_spec(ctx, ctx.args.instance_id)
    if isinstance(ctx.driver, SupportsVolumes):
        for disk in machine.disks:
            await ctx.driver.ensure_volume_attachment(machine.id, disk)
    if isinstance(ctx.driver, SupportsInterfaces):
        await apply_default_groups(ctx, dict.fromkeys(group for nic in machine.nics for group in nic.groups))
        for nic in machine.nics:
            await ctx.driver.ensure_interface(machine.id, nic)
    await _assign_floating_ips(ctx)


async def _disconnect(ctx: TaskContext[CreateInstanceArgs]) -> None:
    """Unassign the floating IPs. Interfaces and volumes go with the machine: its guest may never give them up."""
    assigned, kept_ids = await _load_floating_ips(ctx), ctx.args.kept_floating_ips
    await unassign_floating_ips(ctx, [floating_ip for floating_ip in assigned if floating_ip.id not in kept_ids])


async def _assign_floating_ips(ctx: TaskContext[InstanceTaskArgs]) -> None:
    await assign_floating_ips(ctx, await _load_floating_ips(ctx))


async def _unassign_floating_ips(ctx: TaskContext[InstanceTaskArgs]) -> None:
    await unassign_floating_ips(ctx, await _load_floating_ips(ctx))


async def _load_floating_ips(ctx: TaskContext[InstanceTaskArgs]) -> list[FloatingIP]:
    async with ctx.db.read() as tx:
        return await floating_ips.list_by_instance(tx, ctx.args.instance_id)


async def _save_created(tx: Tx, ctx: TaskContext[CreateInstanceArgs]) -> CreatedResources:
    instance, now, args = await instances.require(tx, ctx.args.instance_id), ctx.now(), ctx.args
    running = replace(instance.with_status(Status.ACTIVE, now).unlocked(), boot=FirstBootData())
    await instances.save(tx, instance, running)
    await volumes.save_as_in_use(tx, instance.id, now)
    await ports.unlock_all(tx, instance.id)
    for floating_ip in await floating_ips.list_by_instance(tx, instance.id):
        await floating_ips.save(tx, floating_ip, floating_ip.assigned_to(floating_ip.target, now))
    await ddos_profiles.unlock_profiles(tx, ctx)
    return created_resources_by_kind(
        instances=[instance.id], volumes=args.volumes, floatingips=args.floating_ips, ports=args.ports
    )


async def _remove_created(tx: Tx, ctx: TaskContext[CreateInstanceArgs]) -> None:
    await _remove_records(tx, ctx, port_ids=(), kept_floating_ip_ids=ctx.args.kept_floating_ips)


async def _delete_volumes(ctx: TaskContext[DeleteInstanceArgs]) -> None:
    if not isinstance(ctx.driver, SupportsVolumes):
        return
    await _release_volumes(ctx, ctx.driver)
    if ctx.args.volumes:
        await ctx.write(partial(_save_volumes_as_deleting, ctx))
    for volume_id in ctx.args.volumes:
        await delete_volume_snapshots(ctx, volume_id)
        await ctx.driver.ensure_no_volume(volume_id)


async def _save_volumes_as_deleting(ctx: TaskContext[DeleteInstanceArgs], tx: Tx) -> None:
    """Save before the first volume is destroyed that their data may be gone."""
    for volume_id in ctx.args.volumes:
        volume = await volumes.require(tx, volume_id)
        await volumes.save(tx, volume, replace(volume, status=VolumeStatus.DELETING.value, updated_at=ctx.now()))


async def _remove_deleted(tx: Tx, ctx: TaskContext[DeleteInstanceArgs]) -> None:
    await _remove_records(tx, ctx, port_ids=ctx.args.ports)


async def _remove_records(
    tx: Tx,
    ctx: TaskContext[CreateInstanceArgs | DeleteInstanceArgs],
    *,
    port_ids: Sequence[str],
    kept_floating_ip_ids: Sequence[str] = (),
) -> None:
    instance = await instances.require(tx, ctx.args.instance_id)
    await ddos_profiles.delete_profile_records(tx, ctx)
    await remove_instance_records(
        tx,
        instance,
        ctx.now(),
        deleted_volume_ids=ctx.args.volumes,
        deleted_floating_ip_ids=ctx.args.floating_ips,
        deleted_port_ids=port_ids,
        kept_floating_ip_ids=kept_floating_ip_ids,
    )


async def _save_deletion_failed(tx: Tx, ctx: TaskContext[DeleteInstanceArgs]) -> None:
    instance = await instances.require(tx, ctx.args.instance_id)
    await ddos_profiles.unlock_profiles(tx, ctx)
    await instances.save(tx, instance, instance.with_status(Status.ERROR, ctx.now()).unlocked())
    for _, volume in await attachments.list_with_volumes(tx, instance.id):
        is_deleting = volume.status == VolumeStatus.DELETING
        failed = volume.unlocked_with_status(VolumeStatus.ERROR_DELETING, ctx.now())
        await volumes.save(tx, volume, failed if is_deleting else replace(volume, task_id=None))
    for floating_ip in await floating_ips.list_by_instance(tx, instance.id):
        await floating_ips.save(tx, floating_ip, replace(floating_ip, task_id=None))
    for volume_id in ctx.args.volumes:
        await save_snapshots_as_error_deleting(tx, ctx, volume_id)


async def _resize(ctx: TaskContext[ResizeInstanceArgs]) -> None:
    await ctx.driver.ensure_machine_size(await load_machine_spec(ctx, ctx.args.instance_id))


async def _restore_size(ctx: TaskContext[ResizeInstanceArgs]) -> None:
    await ctx.driver.ensure_machine_size(
        await load_machine_spec(ctx, ctx.args.instance_id, flavor_id=ctx.args.flavor_id)
    )


async def _save_resized(tx: Tx, ctx: TaskContext[ResizeInstanceArgs]) -> None:
    """Save the instance with the status that it had before."""
    instance = await instances.require(tx, ctx.args.instance_id)
    await instances.save(tx, instance, instance.with_status(Status(ctx.args.before), ctx.now()).unlocked())


async def _save_previous_flavor(tx: Tx, ctx: TaskContext[ResizeInstanceArgs]) -> None:
    instance = await instances.require(tx, ctx.args.instance_id)
    restored = instance.with_status(Status(ctx.args.before), ctx.now()).unlocked()
    await instances.save(tx, instance, replace(restored, flavor_id=ctx.args.flavor_id))


async def _rebuild(ctx: TaskContext[InstanceTaskArgs]) -> None:
    driver = require_rebuild_support(ctx.driver)
    await driver.ensure_rebuilt_machine(await load_machine_spec(ctx, ctx.args.instance_id), ctx.task.id)


async def _save_rebuilt(tx: Tx, ctx: TaskContext[InstanceTaskArgs]) -> None:
    await _save_without_boot_data(tx, ctx, Status.ACTIVE)


async def _save_rebuild_failed(tx: Tx, ctx: TaskContext[InstanceTaskArgs]) -> None:
    await _save_without_boot_data(tx, ctx, Status.ERROR)


async def _save_without_boot_data(tx: Tx, ctx: TaskContext[InstanceTaskArgs], status: Status) -> None:
    instance = await instances.require(tx, ctx.args.instance_id)
    await instances.save(
        tx, instance, replace(instance.with_status(status, ctx.now()).unlocked(), boot=FirstBootData())
    )


_CREATION = (
    Step("choose host", _schedule, undo=_unschedule),
    Step("create volumes", _create_volumes, undo=_destroy_volumes),
    Step("spawn", _spawn, undo=_destroy_spawned),
    Step("connect", _connect, undo=_disconnect),
)
_PROTECTION = Step("apply DDoS protection", ddos_profiles.protect_addresses, undo=ddos_profiles.remove_protection)
_DELETION = (
    Step("delete the machine", _destroy_machine),
    Step("unassign floating IPs", _unassign_floating_ips, undo=_assign_floating_ips),
    Step("delete volumes", _delete_volumes),
    Step("remove DDoS protection", ddos_profiles.remove_protection),
)
OPERATIONS = (
    Operation(CREATE_VM, steps=_CREATION, done=_save_created, failed=_remove_created),
    Operation(CREATE_BAREMETAL, steps=(*_CREATION, _PROTECTION), done=_save_created, failed=_remove_created),
    Operation(DELETE_VM, steps=_DELETION, done=_remove_deleted, failed=_save_deletion_failed),
    Operation(DELETE_BAREMETAL, steps=_DELETION, done=_remove_deleted, failed=_save_deletion_failed),
    Operation(
        RESIZE_VM,
        steps=(Step("resize", _resize, undo=_restore_size),),
        done=_save_resized,
        failed=_save_previous_flavor,
    ),
    Operation(
        REBUILD_BAREMETAL,
        steps=(Step("rebuild", _rebuild),),
        done=_save_rebuilt,
        failed=_save_rebuild_failed,
    ),
)
