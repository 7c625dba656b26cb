"""Create, update, resize, fail over and delete load balancers."""

from typing import Any

from msgspec import to_builtins
from msgspec.structs import asdict

from pileus.domain.account.user_actions import AuditEntry
from pileus.domain.context import Context
from pileus.domain.errors import Conflict, invalid
from pileus.domain.load_balancers.flavors import LoadBalancerFlavor
from pileus.domain.load_balancers.load_balancer_orders import (
    LoadBalancerPatch,
    NewLoadBalancer,
    choose_flavor,
    family_of_addresses,
    plan_vip,
)
from pileus.domain.load_balancers.load_balancers import LoadBalancer
from pileus.domain.load_balancers.parts import ProvisioningStatus
from pileus.domain.load_balancers.task_types import (
    CREATE_LOAD_BALANCER,
    DELETE_LOAD_BALANCER,
    FAIL_OVER_LOAD_BALANCER,
    RESIZE_LOAD_BALANCER,
    UPDATE_LOAD_BALANCER,
    CreateLoadBalancerArgs,
    DeleteLoadBalancerArgs,
    ReplaceMachinesArgs,
    UpdateLoadBalancerArgs,
)
from pileus.domain.network.interfaces import AttachedInterface
from pileus.domain.tags import make_tags, validate_tags
from pileus.domain.tasks import Task
from pileus.services.account.quotas import check_quotas
from pileus.services.account.user_actions import write_audit_entry
from pileus.services.load_balancers.changes import lock_load_balancer, require_changeable_load_balancer
from pileus.services.load_balancers.listeners import plan_listeners
from pileus.services.load_balancers.machine_ports import add_machine_ports
from pileus.services.network.ddos_profiles import lock_profiles_of_ports
from pileus.services.network.interfaces import InterfaceOwner, create_or_take_over_port
from pileus.services.tags import add_tags, patch_tags
from pileus.services.tasks import start_task
from pileus.store.account import projects
from pileus.store.database import Tx
from pileus.store.load_balancers import load_balancers, trees
from pileus.store.network import floating_ips, ports, subnets

AUDIT_GROUP = "loadbalancer"
HEALABLE = (ProvisioningStatus.ACTIVE, ProvisioningStatus.ERROR)
"""Load balancers in these statuses can be deleted, and get new machines."""


async def create_load_balancer(
    tx: Tx, ctx: Context, order: NewLoadBalancer, task_id: str, *, audit_data: dict[str, Any]
) -> Task:
    """Save a load balancer with its address and its parts, and start the task that creates it.

    Raises NotFound, Invalid, Conflict, QuotaExceeded or NoCapacity.
    """
    ctx.require_region()
    await projects.require_active(tx, ctx.place)
    flavor, new_tags = choose_flavor(ctx.catalogue, order.flavor_name), make_tags(validate_tags(order.tags).items())
    await check_quotas(tx, ctx, count_demand(order))
    load_balancer, vip = await _save_load_balancer(tx, ctx, order, flavor, task_id)
    await add_tags(tx, ctx, load_balancers.KIND, load_balancer.id, new_tags)
    parts = await plan_listeners(tx, ctx, load_balancer, order.listeners)
    await trees.add_parts(tx, parts.mapped(lambda part: part.creating(task_id)))
    args = CreateLoadBalancerArgs(
        load_balancer_id=load_balancer.id,
        new_floating_ip_id=vip.floating_ip.id if vip.floating_ip and vip.new_floating_ip else None,
        kept_floating_ip_ids=vip.kept_floating_ips,
        created=parts.created_ids,
    )
    data = {"load_balancer_id": load_balancer.id, "name": order.name, "flavor": flavor.name}
    entry = AuditEntry(AUDIT_GROUP, "create", load_balancer.id, audit_data)
    return await start_task(tx, ctx, task_id, CREATE_LOAD_BALANCER, args, data=data, entry=entry)


def count_demand(order: NewLoadBalancer) -> dict[str, int]:
    """Count what a load balancer to create uses, by quota."""
    choice = order.floating_ip
    return {
        "loadbalancer_count": 1,
        "external_ip_count": int(order.is_public),
        "floating_count": int(choice is not None and choice.existing_id is None),
    }


async def update_load_balancer(
    tx: Tx, ctx: Context, load_balancer_id: str, patch: LoadBalancerPatch, task_id: str
) -> Task:
    """Start the task that applies a patch. Raises NotFound, Invalid or Conflict."""
    load_balancer = await lock_load_balancer(tx, ctx, load_balancer_id, task_id)
    args = UpdateLoadBalancerArgs(load_balancer_id=load_balancer_id, patch=patch)
    data = {"load_balancer_id": load_balancer_id, **to_builtins(patch)}
    entry = AuditEntry(AUDIT_GROUP, _update_action(load_balancer, patch), load_balancer_id, to_builtins(patch))
    return await start_task(tx, ctx, task_id, UPDATE_LOAD_BALANCER, args, data=data, entry=entry)


async def update_load_balancer_record(tx: Tx, ctx: Context, load_balancer_id: str, patch: LoadBalancerPatch) -> None:
    """Apply a patch of what the driver does not know, without a task. Raises NotFound, Invalid or Conflict."""
    before = await require_changeable_load_balancer(tx, ctx, load_balancer_id)
    await load_balancers.save(tx, before, before.patched(patch, ctx.now()))
    if "tags" in patch:
        await patch_tags(tx, ctx, load_balancers.KIND, load_balancer_id, patch["tags"])
    entry = AuditEntry(AUDIT_GROUP, _update_action(before, patch), load_balancer_id, to_builtins(patch))
    await write_audit_entry(tx, ctx, entry)


async def resize_load_balancer(tx: Tx, ctx: Context, load_balancer_id: str, flavor_name: str, task_id: str) -> Task:
    """Start the task that gives a load balancer another flavor. Raises NotFound, Invalid or Conflict."""
    before = await require_changeable_load_balancer(tx, ctx, load_balancer_id)
    flavor = choose_flavor(ctx.catalogue, flavor_name)
    if before.flavor_name == flavor.name:
        raise invalid(flavor=f"Load balancer {load_balancer_id} has flavor {flavor.name} already")
    await load_balancers.save(tx, before, before.updating(task_id, ctx.now()))
    args = ReplaceMachinesArgs(
        load_balancer_id=load_balancer_id, flavor_name=flavor.name, previous_status=before.provisioning_status
    )
    data = {"load_balancer_id": load_balancer_id, "flavor": flavor.name}
    entry = AuditEntry(AUDIT_GROUP, "resize", load_balancer_id, data)
    return await start_task(tx, ctx, task_id, RESIZE_LOAD_BALANCER, args, data=data, entry=entry)


async def fail_over_load_balancer(tx: Tx, ctx: Context, load_balancer_id: str, task_id: str, *, force: bool) -> Task:
    """Start the task that replaces the machines. With `force` the status does not matter.

    Raises NotFound, or Conflict if a task has locked the load balancer, or it is neither ACTIVE nor ERROR.
    """
    before = await load_balancers.get_for_change(tx, ctx.place, load_balancer_id)
    if not force:
        _check_healable(before, "failed over")
    await load_balancers.save(tx, before, before.updating(task_id, ctx.now()))
    args = ReplaceMachinesArgs(load_balancer_id=load_balancer_id, previous_status=before.provisioning_status)
    data = {"load_balancer_id": load_balancer_id, "force": force}
    entry = AuditEntry(AUDIT_GROUP, "failover", load_balancer_id, {"force": force}, name=before.name)
    return await start_task(tx, ctx, task_id, FAIL_OVER_LOAD_BALANCER, args, data=data, entry=entry)


async def delete_load_balancer(tx: Tx, ctx: Context, load_balancer_id: str, task_id: str) -> Task:
    """Lock a load balancer with its floating IPs and DDoS profiles, and start the task that deletes it with its parts.

    Raises NotFound or Conflict.
    """
    before = await load_balancers.get_for_change(tx, ctx.place, load_balancer_id)
    deleted = before.deleting(task_id)
    _check_healable(before, "deleted")
    await load_balancers.save(tx, before, deleted)
    vip_port = await ports.require(tx, before.vip_port_id)
    await ports.save(tx, vip_port, vip_port.locked(task_id))
    for floating_ip in await floating_ips.list_by_port(tx, vip_port.id):
        await floating_ips.save(tx, floating_ip, floating_ip.locked(task_id))
    profiles = [] if vip_port.reserved else await lock_profiles_of_ports(tx, [vip_port], task_id)
    args = DeleteLoadBalancerArgs(
        load_balancer_id=load_balancer_id, previous_status=before.provisioning_status, profiles=profiles
    )
    entry = AuditEntry(AUDIT_GROUP, "delete", load_balancer_id, name=before.name)
    data = {"load_balancer_id": load_balancer_id}
    return await start_task(tx, ctx, task_id, DELETE_LOAD_BALANCER, args, data=data, entry=entry)


async def _save_load_balancer(
    tx: Tx, ctx: Context, order: NewLoadBalancer, flavor: LoadBalancerFlavor, task_id: str
) -> tuple[LoadBalancer, AttachedInterface]:
    """Insert a load balancer with the port of its address and those of its machines."""
    load_balancer_id = ctx.new_id()
    owner = InterfaceOwner(task_id=task_id, load_balancer_id=load_balancer_id, port_security=False)
    vip = await create_or_take_over_port(tx, ctx, owner, plan_vip(order), (), 0)
    load_balancer = _new_load_balancer(ctx, order, flavor, vip, load_balancer_id).creating(task_id)
    await load_balancers.add(tx, load_balancer)
    vip_subnets = [await subnets.require(tx, line.subnet_id) for line in await ports.list_addresses(tx, vip.port.id)]
    await add_machine_ports(tx, ctx, load_balancer, vip_subnets, task_id)
    return load_balancer, vip


def _new_load_balancer(
    ctx: Context, order: NewLoadBalancer, flavor: LoadBalancerFlavor, vip: AttachedInterface, load_balancer_id: str
) -> LoadBalancer:
    now = ctx.now()
    return LoadBalancer(
        id=load_balancer_id,
        **asdict(ctx.place),
        name=order.name,
        flavor_name=flavor.name,
        vip_port_id=vip.port.id,
        vip_address=min(vip.addresses, key=lambda ip: ":" in ip),
        vip_ip_family=family_of_addresses(vip.addresses),
        preferred_connectivity=order.preferred_connectivity,
        logging=order.logging,
        created_at=now,
        updated_at=now,
    )


def _check_healable(load_balancer: LoadBalancer, participle: str) -> None:
    """Raise Conflict if a load balancer is neither ACTIVE nor ERROR."""
    if load_balancer.provisioning_status not in HEALABLE:
        status = load_balancer.provisioning_status
        raise Conflict(f"Load balancer {load_balancer.id} is in state {status}: it cannot be {participle}")


def _update_action(load_balancer: LoadBalancer, patch: LoadBalancerPatch) -> str:
    """Return the action of a patch in the audit log: changes of logging alone have actions of their own."""
    if set(patch) != {"logging"}:
        return "update"
    if patch["logging"].enabled == load_balancer.logging.enabled:
        return "change_logging_resources"
    return "enable_logging" if patch["logging"].enabled else "disable_logging"
