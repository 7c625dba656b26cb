"""Add security groups to the ports of instances and remove them."""

from collections.abc import Iterable, Mapping, Sequence

from pileus.domain import limits
from pileus.domain.account.user_actions import AuditEntry
from pileus.domain.context import Context
from pileus.domain.errors import not_found
from pileus.domain.network.security_groups import (
    SecurityGroup,
    plan_group_additions,
    plan_group_removals,
    require_single_group,
)
from pileus.domain.network.security_rules import NewRule
from pileus.domain.tasks import Task
from pileus.services.account.user_actions import write_audit_entry
from pileus.services.network.ports import start_port_security_update
from pileus.services.network.security_groups import create_security_group
from pileus.store.compute import instances
from pileus.store.database import FOR_USE, Tx
from pileus.store.network import ports, security_groups

NamesByPort = Sequence[tuple[str | None, Sequence[str]]]
"""Names of security groups for a port, or for all ports of the instance if the port's id is None."""


async def add_security_groups(tx: Tx, ctx: Context, instance_id: str, requested: NamesByPort, task_id: str) -> Task:
    """Add groups to ports of the instance, and start the task that applies them.

    Raises NotFound, or Conflict if the instance is bare metal, or a named port has no port security.
    """
    instance = await instances.get(tx, ctx.place, instance_id)
    await instances.bump_revision(tx, instance.require_unlocked().require_security_groups_allowed())
    for port, name in plan_group_additions(await ports.list_by_instance(tx, instance_id), requested):
        group = require_single_group(name, await security_groups.list_by_name(tx, ctx.place, name, lock=FOR_USE))
        await _add_group_to_port(tx, port.id, group)
    return await _start_update(tx, ctx, "attach", instance_id, requested, task_id)


async def remove_security_groups(tx: Tx, ctx: Context, instance_id: str, requested: NamesByPort, task_id: str) -> Task:
    """Remove groups from ports of the instance, and start the task that applies it. Raises NotFound or Conflict."""
    instance = await instances.get(tx, ctx.place, instance_id)
    await instances.bump_revision(tx, instance.require_unlocked())
    for port, name in plan_group_removals(await ports.list_by_instance(tx, instance_id), requested):
        groups = await security_groups.list_by_name(tx, ctx.place, name)
        if not groups:
            raise not_found("Security group", name)
        await security_groups.remove_from_port(tx, port.id, [group.id for group in groups])
    return await _start_update(tx, ctx, "detach", instance_id, requested, task_id)


async def create_security_group_on_instances(
    tx: Tx,
    ctx: Context,
    name: str,
    description: str,
    rules: Iterable[NewRule] | None,
    instance_ids: Iterable[str],
    task_id: str,
    *,
    user_tags: Mapping[str, str],
) -> tuple[SecurityGroup, list[Task]]:
    """Create a group and add it to instances; return the group, and the task of each instance."""
    group = await create_security_group(tx, ctx, name, description, rules, task_id, user_tags=user_tags)
    return group, [await _add_group(tx, ctx, instance_id, group) for instance_id in dict.fromkeys(instance_ids)]


async def _add_group(tx: Tx, ctx: Context, instance_id: str, group: SecurityGroup) -> Task:
    """Add a new group to all ports of an instance with port security."""
    instance = await instances.get(tx, ctx.place, instance_id)
    await instances.bump_revision(tx, instance.require_unlocked().require_security_groups_allowed())
    port_ids = [port.id for port in await ports.list_by_instance(tx, instance_id) if port.port_security_enabled]
    for port_id in port_ids:
        await _add_group_to_port(tx, port_id, group)
    return await start_port_security_update(tx, ctx, port_ids, instance_id, ctx.new_ordered_id())


async def _add_group_to_port(tx: Tx, port_id: str, group: SecurityGroup) -> None:
    """Add a group to a port. Raises Invalid if the port has too many others."""
    existing_ids = {other.id for other in await security_groups.list_by_port(tx, port_id)}
    limits.check_total(
        "security_groups", existing_ids | {group.id}, limits.PORT_SECURITY_GROUPS, existing_count=len(existing_ids)
    )
    await security_groups.add_to_port(tx, port_id, [group.id])


async def _start_update(
    tx: Tx, ctx: Context, action: str, instance_id: str, requested: NamesByPort, task_id: str
) -> Task:
    changes = [{"port_id": port_id, "security_group_names": list(names)} for port_id, names in requested]
    await write_audit_entry(
        tx, ctx, AuditEntry("instance", action, instance_id, {"ports_security_group_names": changes})
    )
    port_ids = [port.id for port in await ports.list_by_instance(tx, instance_id)]
    return await start_port_security_update(tx, ctx, port_ids, instance_id, task_id)
