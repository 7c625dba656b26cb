"""Create, update, resize, fail over and delete load balancers.

The records of a new load balancer exist when its task starts; a failure removes them. A failure of another operation
leaves the load balancer as it was. Its changes are saved when the driver has applied them.
"""

from typing import Any

from msgspec.structs import replace

from pileus.domain.load_balancers.load_balancers import LoadBalancer
from pileus.domain.load_balancers.task_types import (
    CREATE_LOAD_BALANCER,
    DELETE_LOAD_BALANCER,
    DELETE_LOAD_BALANCER_TAG,
    FAIL_OVER_LOAD_BALANCER,
    REPLACE_LOAD_BALANCER_TAGS,
    RESIZE_LOAD_BALANCER,
    UPDATE_LOAD_BALANCER,
    UPDATE_LOAD_BALANCER_TAGS,
    CreateLoadBalancerArgs,
    DeleteLoadBalancerArgs,
    LoadBalancerTaskArgs,
    ReplaceMachinesArgs,
    UpdateLoadBalancerArgs,
    UpdateLoadBalancerTagsArgs,
)
from pileus.domain.network.floating_ips import FloatingIP
from pileus.domain.tasks import created_resources_by_kind
from pileus.services.network.interfaces import remove_or_release_port
from pileus.store import tags
from pileus.store.account import metering
from pileus.store.database import Tx
from pileus.store.load_balancers import load_balancers, trees
from pileus.store.network import floating_ips, ports
from pileus.tasks.capabilities import require_load_balancer_support
from pileus.tasks.load_balancers.changes import ensure_load_balancer, load_tree
from pileus.tasks.network import ddos_profiles
from pileus.tasks.network.floating_ips import assign_floating_ips, unassign_floating_ips
from pileus.tasks.network.ports import unlock_port
from pileus.tasks.operation import CreatedResources, Operation, Step, TaskContext


async def _ensure_as_saved(ctx: TaskContext[LoadBalancerTaskArgs]) -> None:
    await ensure_load_balancer(ctx, await load_tree(ctx, ctx.args.load_balancer_id))


async def _ensure_gone(ctx: TaskContext[LoadBalancerTaskArgs]) -> None:
    await require_load_balancer_support(ctx.driver).ensure_no_load_balancer(ctx.args.load_balancer_id)


async def _load_floating_ips(ctx: TaskContext[LoadBalancerTaskArgs]) -> list[FloatingIP]:
    """Return the floating IPs of the load balancer that the task has locked."""
    async with ctx.db.read() as tx:
        load_balancer = await load_balancers.require(tx, ctx.args.load_balancer_id)
        assigned = await floating_ips.list_by_port(tx, load_balancer.vip_port_id)
    return [floating_ip for floating_ip in assigned if floating_ip.task_id == ctx.task.id]


async def _assign_floating_ips(ctx: TaskContext[LoadBalancerTaskArgs]) -> None:
    await assign_floating_ips(ctx, await _load_floating_ips(ctx))


async def _unassign_floating_ips(ctx: TaskContext[LoadBalancerTaskArgs]) -> None:
    await unassign_floating_ips(ctx, await _load_floating_ips(ctx))


async def _save_created(tx: Tx, ctx: TaskContext[CreateLoadBalancerArgs]) -> CreatedResources:
    args = ctx.args
    load_balancer = await load_balancers.require(tx, args.load_balancer_id)
    await trees.unlock(tx, load_balancer, ctx.task.id, ctx.now())
    await unlock_port(tx, load_balancer.vip_port_id)
    for floating_ip in await floating_ips.list_by_port(tx, load_balancer.vip_port_id):
        if floating_ip.task_id == ctx.task.id:
            await floating_ips.save(tx, floating_ip, floating_ip.assigned_to(floating_ip.target, ctx.now()))
    new_floating_ips = [args.new_floating_ip_id] if args.new_floating_ip_id else []
    return created_resources_by_kind(loadbalancers=[load_balancer.id], floatingips=new_floating_ips, **args.created)


async def _remove_created(tx: Tx, ctx: TaskContext[CreateLoadBalancerArgs]) -> None:
    load_balancer = await load_balancers.require(tx, ctx.args.load_balancer_id)
    new_floating_ips = [ctx.args.new_floating_ip_id] if ctx.args.new_floating_ip_id else []
    await _remove_records(tx, load_balancer)
    await remove_or_release_port(
        tx,
        await ports.require(tx, load_balancer.vip_port_id),
        ctx.now(),
        deleted_floating_ip_ids=new_floating_ips,
        kept_floating_ip_ids=ctx.args.kept_floating_ip_ids,
        save_usage=False,
    )


async def _remove_records(tx: Tx, load_balancer: LoadBalancer) -> None:
    """Delete a load balancer, its parts, and the ports of its machines."""
    await trees.remove_all_parts(tx, load_balancer.id)
    for port in await ports.list_machine_ports_of_load_balancer(tx, load_balancer.id):
        await ports.remove(tx, port.id)
    await tags.remove(tx, load_balancer.id)
    await load_balancers.remove(tx, load_balancer.id)


async def _apply_update(ctx: TaskContext[UpdateLoadBalancerArgs]) -> None:
    tree = await load_tree(ctx, ctx.args.load_balancer_id)
    changed = tree.load_balancer.patched(ctx.args.patch, ctx.now())
    await ensure_load_balancer(ctx, replace(tree, load_balancer=changed))


async def _save_updated(tx: Tx, ctx: TaskContext[UpdateLoadBalancerArgs]) -> None:
    load_balancer, patch = await load_balancers.require(tx, ctx.args.load_balancer_id), ctx.args.patch
    changed = load_balancer.patched(patch, ctx.now())
    await trees.unlock(tx, load_balancer, ctx.task.id, ctx.now(), changed)
    if "tags" in patch:
        await tags.patch(tx, load_balancers.KIND, ctx.task.place, load_balancer.id, patch["tags"])


async def _unlock(tx: Tx, ctx: TaskContext[LoadBalancerTaskArgs]) -> None:
    load_balancer = await load_balancers.require(tx, ctx.args.load_balancer_id)
    await trees.unlock(tx, load_balancer, ctx.task.id, ctx.now())


async def _save_tags(tx: Tx, ctx: TaskContext[UpdateLoadBalancerTagsArgs]) -> None:
    await _unlock(tx, ctx)
    await tags.patch(tx, load_balancers.KIND, ctx.task.place, ctx.args.load_balancer_id, ctx.args.tags)


async def _replace_machines(ctx: TaskContext[ReplaceMachinesArgs]) -> None:
    tree = await load_tree(ctx, ctx.args.load_balancer_id)
    changed = tree.load_balancer.with_new_machines(ctx.args.flavor_name)
    await ensure_load_balancer(ctx, replace(tree, load_balancer=changed))


async def _save_new_machines(tx: Tx, ctx: TaskContext[ReplaceMachinesArgs]) -> None:
    load_balancer = await load_balancers.require(tx, ctx.args.load_balancer_id)
    changed = load_balancer.with_new_machines(ctx.args.flavor_name)
    if changed.flavor_name != load_balancer.flavor_name:
        await metering.save_usage_until_now(tx, [load_balancer], ctx.now())
    await trees.unlock(tx, load_balancer, ctx.task.id, ctx.now(), changed)


async def _restore_status(tx: Tx, ctx: TaskContext[ReplaceMachinesArgs]) -> None:
    await _restore_load_balancer(tx, ctx, ctx.args.previous_status)


async def _restore_load_balancer(tx: Tx, ctx: TaskContext[LoadBalancerTaskArgs], status: str) -> LoadBalancer:
    """Unlock a load balancer whose parts the task has not locked, in the status that it had."""
    load_balancer = await load_balancers.require(tx, ctx.args.load_balancer_id)
    return await load_balancers.save(
        tx, load_balancer, replace(load_balancer, task_id=None, provisioning_status=status)
    )


async def _remove_deleted(tx: Tx, ctx: TaskContext[DeleteLoadBalancerArgs]) -> None:
    load_balancer = await load_balancers.require(tx, ctx.args.load_balancer_id)
    await ddos_profiles.delete_profile_records(tx, ctx)
    await metering.save_usage_until_now(tx, [load_balancer], ctx.now())
    await _remove_records(tx, load_balancer)
    await remove_or_release_port(tx, await ports.require(tx, load_balancer.vip_port_id), ctx.now())


async def _unlock_undeleted(tx: Tx, ctx: TaskContext[DeleteLoadBalancerArgs]) -> None:
    load_balancer = await _restore_load_balancer(tx, ctx, ctx.args.previous_status)
    await ddos_profiles.unlock_profiles(tx, ctx)
    for floating_ip in await floating_ips.list_by_port(tx, load_balancer.vip_port_id):
        await floating_ips.save(tx, floating_ip, replace(floating_ip, task_id=None))
    await unlock_port(tx, load_balancer.vip_port_id)


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        CREATE_LOAD_BALANCER,
        steps=(
            Step("create the load balancer", _ensure_as_saved, undo=_ensure_gone),
            Step("assign floating IPs", _assign_floating_ips, undo=_unassign_floating_ips),
        ),
        done=_save_created,
        failed=_remove_created,
    ),
    Operation(
        UPDATE_LOAD_BALANCER,
        steps=(Step("update the load balancer", _apply_update, undo=_ensure_as_saved),),
        done=_save_updated,
        failed=_unlock,
    ),
    *(
        Operation(task_type, steps=(), done=_save_tags, failed=_unlock)
        for task_type in (UPDATE_LOAD_BALANCER_TAGS, REPLACE_LOAD_BALANCER_TAGS, DELETE_LOAD_BALANCER_TAG)
    ),
    *(
        Operation(
            task_type,
            steps=(Step("replace the machines", _replace_machines, undo=_ensure_as_saved),),
            done=_save_new_machines,
            failed=_restore_status,
        )
        for task_type in (FAIL_OVER_LOAD_BALANCER, RESIZE_LOAD_BALANCER)
    ),
    Operation(
        DELETE_LOAD_BALANCER,
        steps=(
            Step("unassign floating IPs", _unassign_floating_ips, undo=_assign_floating_ips),
            Step("remove DDoS protection", ddos_profiles.remove_protection, undo=ddos_profiles.protect_addresses),
            Step("delete the load balancer", _ensure_gone, undo=_ensure_as_saved),
        ),
        done=_remove_deleted,
        failed=_unlock_undeleted,
    ),
)
