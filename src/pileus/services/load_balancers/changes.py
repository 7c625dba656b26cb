"""Lock load balancers, and start the tasks that change their parts: all parts are locked with the whole."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from pileus.domain.account.user_actions import AuditEntry
from pileus.domain.context import Context
from pileus.domain.errors import Conflict
from pileus.domain.load_balancers.load_balancers import LoadBalancer
from pileus.domain.load_balancers.parts import LoadBalancerPart, ProvisioningStatus
from pileus.domain.load_balancers.pool_orders import PartOrigin
from pileus.domain.load_balancers.task_types import ChangePartsArgs
from pileus.domain.load_balancers.trees import Parts
from pileus.domain.places import Place
from pileus.domain.tasks import Task, TaskType
from pileus.services.load_balancers.machine_ports import add_ports_for_members
from pileus.services.tasks import start_task
from pileus.store.database import Tx
from pileus.store.load_balancers import load_balancers, trees

NOTHING = Parts()
P = TypeVar("P", bound=LoadBalancerPart)


def new_part_origin(ctx: Context, load_balancer: LoadBalancer) -> PartOrigin:
    """Return where new parts of a load balancer come from."""
    return PartOrigin(load_balancer=load_balancer, now=ctx.now(), new_id=ctx.new_id)


async def lock_load_balancer(tx: Tx, ctx: Context, load_balancer_id: str, task_id: str) -> LoadBalancer:
    """Lock a load balancer for a task that changes it, not its parts: nothing else changes meanwhile.

    Raises NotFound, or Conflict if a task has locked it or it is not ACTIVE.
    """
    return await _lock(tx, ctx, await require_changeable_load_balancer(tx, ctx, load_balancer_id), task_id)


async def require_changeable_part(
    tx: Tx, ctx: Context, get: Callable[[Tx, Place, str], Awaitable[P]], part_id: str
) -> tuple[LoadBalancer, P]:
    """Return a part and its load balancer, which nobody else changes or locks until the transaction ends.

    Raises NotFound, or Conflict as `require_changeable_load_balancer` does.
    """
    load_balancer_id = (await get(tx, ctx.place, part_id)).load_balancer_id
    load_balancer = await require_changeable_load_balancer(tx, ctx, load_balancer_id)
    return load_balancer, await get(tx, ctx.place, part_id)


async def require_changeable_load_balancer(tx: Tx, ctx: Context, load_balancer_id: str) -> LoadBalancer:
    """Return a load balancer that a task can lock; nobody else changes or locks it until the transaction ends.

    Raises NotFound, or Conflict if a task has locked it or it is not ACTIVE.
    """
    load_balancer = await load_balancers.get_for_change(tx, ctx.place, load_balancer_id)
    load_balancer.require_unlocked()
    if load_balancer.provisioning_status != ProvisioningStatus.ACTIVE:
        status = load_balancer.provisioning_status
        raise Conflict(f"Load balancer {load_balancer.id} is in state {status}: it can be changed when it is ACTIVE")
    return load_balancer


async def start_change(
    tx: Tx,
    ctx: Context,
    task_id: str,
    task_type: TaskType[ChangePartsArgs],
    load_balancer: LoadBalancer,
    *,
    new: Parts = NOTHING,
    before: Parts = NOTHING,
    after: Parts = NOTHING,
    deleted: Parts = NOTHING,
    created: dict[str, list[str]] | None = None,
    data: dict[str, Any],
    entry: AuditEntry,
) -> Task:
    """Lock a load balancer, save changes of its parts, and start the task that makes the driver apply them.

    `after` are the parts `before` with their new fields, in the same order. Parts that the task does not change
    themselves, but that are above those that it changes, may be in both. `created` are the ids of the resources that
    the task names as created, by kind. `data` are the ids that the task shows beside that of the load balancer. The
    machines get ports in the subnets of members.
    """
    load_balancer = await _lock(tx, ctx, load_balancer, task_id)
    await add_ports_for_members(tx, ctx, load_balancer, [*new.members, *after.members], task_id)
    await trees.add_parts(tx, new.mapped(lambda part: part.creating(task_id)))
    await trees.save_parts(tx, before, after.mapped(lambda part: part.updating(task_id, ctx.now())))
    await trees.save_parts(tx, deleted, deleted.mapped(lambda part: part.deleting(task_id)))
    args = ChangePartsArgs(load_balancer_id=load_balancer.id, previous=before, created=created)
    all_data = {"load_balancer_id": load_balancer.id, **data}
    return await start_task(tx, ctx, task_id, task_type, args, data=all_data, entry=entry)


async def _lock(tx: Tx, ctx: Context, load_balancer: LoadBalancer, task_id: str) -> LoadBalancer:
    return await load_balancers.save(tx, load_balancer, load_balancer.updating(task_id, ctx.now()))
