"""Create instances: resolve the order, plan the records, save them and start the task."""

from typing import Any

from pileus.domain.account import quota_checks
from pileus.domain.account.user_actions import AuditEntry
from pileus.domain.compute.instance_orders import InstanceOrder
from pileus.domain.compute.instance_plan import InstancePlan, ResolvedOrder, plan_instance
from pileus.domain.compute.instances import Instance, InstanceKind
from pileus.domain.compute.task_types import CREATE_BAREMETAL, CREATE_VM, CreateInstanceArgs
from pileus.domain.context import Context
from pileus.domain.errors import nest_field_errors
from pileus.domain.network.interfaces import AttachedInterface
from pileus.domain.storage.disks import VolumeSourceRecords
from pileus.domain.tasks import SlotClass, Task
from pileus.drivers.protocols.regions import RegionDrivers
from pileus.services.account.quotas import check_instance_quotas
from pileus.services.compute.order_sources import resolve_order_references
from pileus.services.network.ddos_profiles import add_ddos_profile_for_interfaces
from pileus.services.network.interfaces import InterfaceOwner, create_or_take_over_port
from pileus.services.tags import add_tags, save_tags
from pileus.services.tasks import start_task
from pileus.store import tags
from pileus.store.account import projects
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.storage import attachments, volumes


async def create_instance(tx: Tx, ctx: Context, drivers: RegionDrivers, order: InstanceOrder, task_id: str) -> Task:
    """Save an ordered instance with its volumes and interfaces, and start the task that creates it.

    Raises NotFound, Invalid, Conflict, NoCapacity or QuotasExceeded.
    """
    ctx.require_region()
    await projects.require_active(tx, ctx.place)
    sources = await resolve_order_references(tx, ctx, drivers, order)
    plan = plan_instance(order, sources, ctx, task_id)
    demand = quota_checks.count_demand_by_quota(plan.resource_demand(order, sources.flavor))
    await check_instance_quotas(tx, ctx, demand)
    plan, interfaces = await _save_instance(tx, ctx, plan, order, task_id)
    await _save_volumes(tx, ctx, plan, sources.disks)
    profiles = []
    if order.ddos_profile is not None:
        profiles = [await add_ddos_profile_for_interfaces(tx, ctx, interfaces, order.ddos_profile, task_id)]
    args, data = _task_args(plan, interfaces, profiles), _task_data(plan, sources, order)
    task_type = CREATE_BAREMETAL if sources.flavor.kind == InstanceKind.BAREMETAL else CREATE_VM
    entry = AuditEntry("instance", "create", plan.instance.id, data)
    slot_class = SlotClass.SLOW if any(volume.snapshot_id for volume in plan.volumes) else None
    return await start_task(tx, ctx, task_id, task_type, args, data=data, entry=entry, slot_class=slot_class)


async def _save_instance(
    tx: Tx, ctx: Context, plan: InstancePlan, order: InstanceOrder, task_id: str
) -> tuple[InstancePlan, list[AttachedInterface]]:
    """Insert the instance, create its interfaces, and name it: a name template needs their addresses."""
    unnamed = plan.instance
    await instances.add(tx, unnamed)
    interfaces = await _create_interfaces(tx, ctx, unnamed, order, task_id)
    plan = plan.with_filled_names([ip for interface in interfaces for ip in interface.addresses])
    await instances.save(tx, unnamed, plan.instance)
    await add_tags(tx, ctx, instances.KIND, plan.instance.id, plan.tags[plan.instance.id])
    return plan, interfaces


async def _create_interfaces(
    tx: Tx, ctx: Context, instance: Instance, order: InstanceOrder, task_id: str
) -> list[AttachedInterface]:
    owner = InterfaceOwner(task_id=task_id, instance_id=instance.id, port_security=instance.is_virtual)
    # Requested addresses go first, so that no other interface of the order takes them.
    entries = sorted(enumerate(order.interfaces), key=lambda entry: entry[1].ip_address is None)
    created = {}
    for position, interface in entries:
        group_ids = order.security_group_ids_of(interface)
        with nest_field_errors("interfaces", position):
            created[position] = await create_or_take_over_port(tx, ctx, owner, interface, group_ids, position)
    return [created[position] for position in range(len(created))]


async def _save_volumes(tx: Tx, ctx: Context, plan: InstancePlan, sources: VolumeSourceRecords) -> None:
    for volume in plan.volumes:
        await volumes.add(tx, volume)
    for volume in plan.existing_volumes:
        await volumes.save(tx, sources.volumes[volume.id], volume)
    for volume in plan.volumes:
        await add_tags(tx, ctx, volumes.KIND, volume.id, plan.tags[volume.id])
    for volume in plan.existing_volumes:
        existing_tags = await tags.list_by_resource(tx, volume.id)
        await save_tags(tx, ctx, volumes.KIND, volume.id, existing_tags, plan.tags[volume.id])
    for attachment in plan.attachments:
        await attachments.add(tx, attachment)


def _task_args(plan: InstancePlan, interfaces: list[AttachedInterface], profiles: list[int]) -> CreateInstanceArgs:
    return CreateInstanceArgs(
        instance_id=plan.instance.id,
        volumes=[volume.id for volume in plan.volumes],
        floating_ips=[
            interface.floating_ip.id
            for interface in interfaces
            if interface.floating_ip is not None and interface.new_floating_ip
        ],
        ports=[interface.port.id for interface in interfaces if not interface.port.reserved],
        configuration=plan.configuration,
        profiles=profiles,
        refusal=next(
            (f"Volume {volume.id} is in unexpected state {volume.status}" for volume in plan.unusable_volumes), None
        ),
        kept_floating_ips=[kept for interface in interfaces for kept in interface.kept_floating_ips],
    )


def _task_data(plan: InstancePlan, sources: ResolvedOrder, order: InstanceOrder) -> dict[str, Any]:
    """Return the order as clients see it in the task and the audit log; it holds no secrets."""
    return {
        "instance_id": plan.instance.id,
        "name": plan.instance.name,
        "flavor_name": order.flavor_id,
        "keypair_name": sources.ssh_key_id,
        "servergroup_id": order.placement_group_id,
        "security_groups": list(order.security_group_ids),
        "network_config": [
            {
                "type": interface.type,
                "network_id": interface.network_id,
                "subnet_id": interface.subnet_id,
                "port_id": interface.port_id,
            }
            for interface in order.interfaces
        ],
        "block_device_config": [
            {"source": volume.source, "size": volume.size, "boot_index": volume.boot_index} for volume in order.volumes
        ],
    }
