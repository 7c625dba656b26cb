"""What tasks tell the driver of security groups."""

from collections.abc import Iterable

from pileus.domain.network.security_groups import SecurityGroup
from pileus.domain.network.security_rules import SecurityGroupRule
from pileus.drivers.protocols.compute import SecurityGroups, SecurityGroupSpec
from pileus.store.database import Tx
from pileus.store.network import security_groups
from pileus.tasks.operation import TaskContext
from pileus.tasks.records import record_of_task


async def group_of(tx: Tx, work: TaskContext) -> SecurityGroup:
    """The security group that the task is about; raises NotFound."""
    return await record_of_task(tx, work, "group_id", "Security group", security_groups.find)


async def apply_security_group(work: TaskContext, group: SecurityGroup, rules: Iterable[SecurityGroupRule]) -> None:
    """Let a group have these rules; without them a driver lets everything pass, as its documents say."""
    if isinstance(work.driver, SecurityGroups):
        told = [rule.rule for rule in rules]
        await work.driver.ensure_security_group(SecurityGroupSpec(id=group.id, name=group.name, rules=told))


async def apply_recorded_group(work: TaskContext) -> None:
    """Let the task's group have the rules that it has in the database."""
    async with work.db.read() as tx:
        group = await group_of(tx, work)
        rules = await security_groups.rules_of(tx, group.id)
    await apply_security_group(work, group, rules)


async def remove_security_group(work: TaskContext) -> None:
    """Take the task's group away."""
    if isinstance(work.driver, SecurityGroups):
        await work.driver.ensure_no_security_group(work.task.args["group_id"])


async def ensure_default_groups(work: TaskContext, group_ids: Iterable[str]) -> None:
    """Tell of groups that may be new: default ones are made with the first interface that needs them."""
    for group_id in group_ids:
        async with work.db.read() as tx:
            group = await security_groups.find(tx, group_id)
            rules = await security_groups.rules_of(tx, group_id)
        if group is not None and group.is_default and group.task_id is None:
            await apply_security_group(work, group, rules)
