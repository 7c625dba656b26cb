"""Put instances into placement groups, remove them, and delete placement groups.

An instance that enters a group stays on its host if the group's policy allows that; otherwise it is migrated.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from pileus.domain.compute.instances import Instance
from pileus.domain.compute.placement_groups import PlacementGroup, choose_host, may_stay_on_host
from pileus.domain.compute.task_types import (
    DELETE_PLACEMENT_GROUP,
    PUT_INTO_PLACEMENT_GROUP,
    REMOVE_FROM_PLACEMENT_GROUP,
    DeletePlacementGroupArgs,
    InstanceTaskArgs,
    PutIntoPlacementGroupArgs,
    RemoveFromPlacementGroupArgs,
)
from pileus.domain.errors import NoCapacity
from pileus.domain.limits import PLACEMENT_GROUP_MEMBERS
from pileus.drivers.protocols.compute import SupportsHosts, SupportsMigration
from pileus.drivers.protocols.errors import DriverError
from pileus.store.compute import instances, placement_groups
from pileus.store.database import Tx
from pileus.tasks.compute.machines import load_machine_spec, unlock_instance
from pileus.tasks.operation import Operation, Step, TaskContext


async def _enter_group(ctx: TaskContext[PutIntoPlacementGroupArgs]) -> None:
    """Save host and membership in one transaction, so that no other member gets the same host."""
    hosts = await ctx.driver.list_host_names(ctx.task.place.region_id) if isinstance(ctx.driver, SupportsHosts) else ()

    async def write(tx: Tx) -> None:
        instance = await instances.require(tx, ctx.args.instance_id)
        group = await placement_groups.require(tx, ctx.args.servergroup_id)
        if instance.placement_group_id is None:
            host = await _choose_host(tx, instance, group, hosts) if hosts else instance.host
            _check_room(await placement_groups.count_members(tx, group.id), group)
            await placement_groups.bump_revision(tx, group)
            await instances.save(tx, instance, replace(instance, host=host, placement_group_id=group.id))

    await ctx.write(write)


def _check_room(member_count: int, group: PlacementGroup) -> None:
    """Raise NoCapacity if the group has got too many members since the request."""
    if member_count >= PLACEMENT_GROUP_MEMBERS.value:
        raise NoCapacity(f"Placement group {group.id} has {member_count} members already")


async def _choose_host(tx: Tx, instance: Instance, group: PlacementGroup, hosts: Sequence[str]) -> str:
    taken = await placement_groups.list_member_hosts(tx, group.id, except_instance_id=instance.id)
    if instance.host is not None and may_stay_on_host(instance.host, group.policy, taken):
        return instance.host
    load = await placement_groups.count_instances_by_host(tx, instance.region_id)
    host = choose_host(hosts, load, group.policy, taken)
    if host is None:
        raise NoCapacity(f"Placement group {group.id} ({group.policy}) has no host left for another instance")
    return host


async def _migrate(ctx: TaskContext[PutIntoPlacementGroupArgs]) -> None:
    machine = await load_machine_spec(ctx, ctx.args.instance_id)
    if machine.host == ctx.args.host:
        return
    if not isinstance(ctx.driver, SupportsMigration):
        raise DriverError("The driver of this region cannot move an instance to another host", retryable=False)
    await ctx.driver.ensure_machine_host(machine)


async def _migrate_back(ctx: TaskContext[PutIntoPlacementGroupArgs]) -> None:
    if isinstance(ctx.driver, SupportsMigration):
        machine = await load_machine_spec(ctx, ctx.args.instance_id)
        await ctx.driver.ensure_machine_host(replace(machine, host=ctx.args.host))


async def _unlock_instance(tx: Tx, ctx: TaskContext[InstanceTaskArgs]) -> None:
    await unlock_instance(tx, ctx.args.instance_id)


async def _save_previous_host(tx: Tx, ctx: TaskContext[PutIntoPlacementGroupArgs]) -> None:
    instance = await instances.require(tx, ctx.args.instance_id)
    restored = replace(instance.unlocked(), placement_group_id=None, host=ctx.args.host)
    await instances.save(tx, instance, restored)


async def _leave_group(ctx: TaskContext[RemoveFromPlacementGroupArgs]) -> None:
    async def write(tx: Tx) -> None:
        instance = await instances.require(tx, ctx.args.instance_id)
        await instances.save(tx, instance, replace(instance, placement_group_id=None))

    await ctx.write(write)


async def _save_previous_group(tx: Tx, ctx: TaskContext[RemoveFromPlacementGroupArgs]) -> None:
    instance = await instances.require(tx, ctx.args.instance_id)
    group = await placement_groups.TABLE.lock_for_use(tx, ctx.args.servergroup_id)
    restored = replace(instance.unlocked(), placement_group_id=group.id if group else None)
    await instances.save(tx, instance, restored)


async def _remove_group(tx: Tx, ctx: TaskContext[DeletePlacementGroupArgs]) -> None:
    group = await placement_groups.TABLE.lock(tx, ctx.args.servergroup_id)
    await placement_groups.remove(tx, group.id)


async def _unlock_group(tx: Tx, ctx: TaskContext[DeletePlacementGroupArgs]) -> None:
    group = await placement_groups.require(tx, ctx.args.servergroup_id)
    await placement_groups.save(tx, group, replace(group, task_id=None))


OPERATIONS = (
    Operation(
        PUT_INTO_PLACEMENT_GROUP,
        steps=(Step("choose host", _enter_group), Step("migrate", _migrate, undo=_migrate_back)),
        done=_unlock_instance,
        failed=_save_previous_host,
    ),
    Operation(
        REMOVE_FROM_PLACEMENT_GROUP,
        steps=(Step("remove from the group", _leave_group),),
        done=_unlock_instance,
        failed=_save_previous_group,
    ),
    Operation(DELETE_PLACEMENT_GROUP, steps=(), done=_remove_group, failed=_unlock_group),
)
