"""Load balancers with all of their parts, and the writes that end a task on them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from pileus.domain.load_balancers.load_balancers import LoadBalancer
from pileus.domain.load_balancers.parts import ProvisioningStatus
from pileus.domain.load_balancers.trees import LoadBalancerTree, Parts
from pileus.store.database import Tx
from pileus.store.load_balancers import (
    health_monitors,
    l7_policies,
    l7_rules,
    listeners,
    load_balancers,
    members,
    pools,
    secret_uses,
)
from pileus.store.network import secrets
from pileus.store.rows import Table, in_list_placeholders

TABLES: Mapping[str, Table[Any]] = {
    "pools": pools.TABLE,
    "listeners": listeners.TABLE,
    "members": members.TABLE,
    "health_monitors": health_monitors.TABLE,
    "l7_policies": l7_policies.TABLE,
    "l7_rules": l7_rules.TABLE,
}
"""The tables of parts, by their names in `Parts`. A table stands behind those that its rows refer to."""


async def load(tx: Tx, load_balancer_id: str) -> LoadBalancerTree:
    """Return a load balancer of any tenant with all of its parts. Raises NotFound."""
    load_balancer = await load_balancers.require(tx, load_balancer_id)
    return LoadBalancerTree(
        load_balancer=load_balancer,
        parts=Parts(
            listeners=await listeners.list_by_load_balancer(tx, load_balancer_id),
            pools=await pools.list_by_load_balancer(tx, load_balancer_id),
            members=await members.list_by_load_balancer(tx, load_balancer_id),
            health_monitors=await health_monitors.list_by_load_balancer(tx, load_balancer_id),
            l7_policies=await l7_policies.list_by_load_balancer(tx, load_balancer_id),
            l7_rules=await l7_rules.list_by_load_balancer(tx, load_balancer_id),
        ),
    )


async def load_all(tx: Tx, records: Sequence[LoadBalancer]) -> list[LoadBalancerTree]:
    """Return load balancers with all of their parts, in the same order."""
    marks, values = in_list_placeholders("id", [record.id for record in records])
    parts: dict[str, dict[str, list[Any]]] = {record.id: defaultdict(list) for record in records}
    for name, table in TABLES.items():
        where = f"load_balancer_id IN ({marks}) ORDER BY created_at, id"
        for part in await table.find_many(tx, where, **values):
            parts[part.load_balancer_id][name].append(part)
    return [LoadBalancerTree(load_balancer=record, parts=Parts(**parts[record.id])) for record in records]


async def add_parts(tx: Tx, parts: Parts) -> None:
    """Insert parts, those first that others refer to."""
    for name, table in TABLES.items():
        await table.add_all(tx, getattr(parts, name))
    await secret_uses.add_uses(tx, parts)


async def save_parts(tx: Tx, before: Parts, after: Parts) -> None:
    """Write the changed fields of parts, which both have in the same order; raises Stale."""
    for name, table in TABLES.items():
        for existing, changed in zip(getattr(before, name), getattr(after, name), strict=True):
            await table.save(tx, existing, changed)
    await secret_uses.add_uses(tx, after)


async def restore_parts(tx: Tx, parts: Parts) -> None:
    """Write parts as they were before a task."""
    for name, table in TABLES.items():
        for part in getattr(parts, name):
            existing = await table.require_by_id(tx, part.id)
            await table.save(tx, existing, replace(part, revision=existing.revision))
    await secret_uses.replace_uses(tx, parts)


async def remove_parts(tx: Tx, load_balancer_id: str, task_id: str, status: ProvisioningStatus) -> None:
    """Delete the parts that a task has locked and that have a provisioning status, those first that refer to others."""
    where = "load_balancer_id = :load_balancer_id AND task_id = :task_id AND provisioning_status = :status"
    values = {"load_balancer_id": load_balancer_id, "task_id": task_id, "status": status.value}
    await _remove_parts_where(tx, where, **values)


async def remove_all_parts(tx: Tx, load_balancer_id: str) -> None:
    """Delete all parts of a load balancer."""
    await _remove_parts_where(tx, "load_balancer_id = :load_balancer_id", load_balancer_id=load_balancer_id)


async def _remove_parts_where(tx: Tx, where: str, **values: Any) -> None:
    for table in (listeners.TABLE, pools.TABLE):
        await secrets.remove_uses_of_holders(tx, f"SELECT id FROM {table.name} WHERE {where}", **values)
    for table in reversed(list(TABLES.values())):
        await table.remove_all(tx, where, **values)


async def unlock(
    tx: Tx, load_balancer: LoadBalancer, task_id: str, now: int, changed: LoadBalancer | None = None
) -> LoadBalancer:
    """Remove a task's locks on a load balancer, which has `changed`, and its parts: they are ACTIVE."""
    for table in TABLES.values():
        await tx.send(
            f"UPDATE {table.name} SET task_id = NULL, provisioning_status = :status, updated_at = :now,"
            " revision = revision + 1 WHERE load_balancer_id = :load_balancer_id AND task_id = :task_id",
            status=ProvisioningStatus.ACTIVE.value,
            now=now,
            load_balancer_id=load_balancer.id,
            task_id=task_id,
        )
    status = ProvisioningStatus.ACTIVE.value
    unlocked = replace(changed or load_balancer, task_id=None, provisioning_status=status, updated_at=now)
    return await load_balancers.save(tx, load_balancer, unlocked)
