"""put_into_server_group: let an instance be a member, on a host that the group's policy allows.

It stays where it is if it may, else it is moved. Arguments: `instance_id`, `servergroup_id`; `host`, where it stood.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from pileus.domain.compute.instances import Instance
from pileus.domain.compute.placement_groups import PlacementGroup, choose_host, may_stay_on
from pileus.domain.errors import NoCapacity, not_found
from pileus.drivers.protocols.compute import DriverError, Hosts, Migrates
from pileus.store.compute import instances, placement_groups
from pileus.store.database import Tx
from pileus.tasks.compute.machines import instance_of, machine_of
from pileus.tasks.operation import Created, Operation, Step, TaskContext


async def _choose(work: TaskContext) -> None:
    """Become a member in one transaction with the choice of the host, so that no rival takes the same one."""
    hosts = await work.driver.hosts(work.task.place.region_id) if isinstance(work.driver, Hosts) else ()

    async def write(tx: Tx) -> None:
        instance, group = await instance_of(tx, work), await _group(tx, work)
        if instance.placement_group_id is None:
            host = await _host(tx, instance, group, hosts) if hosts else instance.host
            await placement_groups.bump_revision(tx, group)
            await instances.save(tx, instance, replace(instance, host=host, placement_group_id=group.id))

    await work.write(write)


async def _host(tx: Tx, instance: Instance, group: PlacementGroup, hosts: Sequence[str]) -> str:
    taken = await placement_groups.hosts_of(tx, group.id, but=instance.id)
    if instance.host is not None and may_stay_on(instance.host, group.policy, taken):
        return instance.host
    host = choose_host(hosts, await placement_groups.load(tx, instance.region_id), group.policy, taken)
    if host is None:
        raise NoCapacity(f"Placement group {group.id} ({group.policy}) has no host left for another instance")
    return host


async def _group(tx: Tx, work: TaskContext) -> PlacementGroup:
    group_id = work.task.args["servergroup_id"]
    group = await placement_groups.find(tx, group_id)
    if group is None:
        raise not_found("Placement group", group_id)
    return group


async def _move(work: TaskContext) -> None:
    machine = await machine_of(work)
    if machine.host == work.task.args["host"]:
        return
    if not isinstance(work.driver, Migrates):
        raise DriverError("This cloud cannot move an instance to another host", retryable=False)
    await work.driver.ensure_on_host(machine)


async def _move_back(work: TaskContext) -> None:
    if isinstance(work.driver, Migrates):
        await work.driver.ensure_on_host(replace(await machine_of(work), host=work.task.args["host"]))


async def _done(tx: Tx, work: TaskContext) -> Created | None:
    instance = await instance_of(tx, work)
    await instances.save(tx, instance, instance.unlocked())
    return None


async def _failed(tx: Tx, work: TaskContext) -> None:
    instance = await instance_of(tx, work)
    outside = replace(instance.unlocked(), placement_group_id=None, host=work.task.args["host"])
    await instances.save(tx, instance, outside)


PUT_INTO_PLACEMENT_GROUP = Operation(
    "put_into_server_group",
    (Step("choose host", _choose), Step("move", _move, undo=_move_back)),
    _done,
    _failed,
)
