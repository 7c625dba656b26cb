"""Making a server: everything that one transaction writes between the order and the task that carries it out."""

from collections.abc import Callable, Collection
from typing import Any

from msgspec import Struct

from pileus.api.context import RequestContext
from pileus.api.wire.network.ddos_profiles import NewProfile
from pileus.domain.account import quota_checks
from pileus.domain.compute.flavors import Flavor
from pileus.domain.compute.instance_orders import InstanceOrder
from pileus.domain.compute.instance_plan import InstancePlan, plan_instance
from pileus.domain.compute.instances import Kind
from pileus.domain.errors import NotFound, invalid
from pileus.domain.storage.disks import OrderSources
from pileus.services.account.request_quotas import check_quotas
from pileus.services.compute.capacities import check_capacity
from pileus.services.compute.order_sources import resolve_sources
from pileus.services.network.ddos_protection import protect_public_address
from pileus.services.network.interfaces import AttachedInterface, InterfaceContext, create_interface
from pileus.store import tags
from pileus.store.account import projects
from pileus.store.compute import instances, placement_groups, ssh_keys
from pileus.store.database import Tx
from pileus.store.storage import attachments, volumes


class CreateInstanceRequest(Struct, frozen=True, kw_only=True):
    """A server that is wanted: the name of its SSH key, and what makes an order of it when the key's id is known."""

    ssh_key_name: str | None
    order: Callable[[str | None], InstanceOrder]
    kind: tuple[Kind, ...]
    task_type: str
    protection: NewProfile | None = None


async def create_instance(tx: Tx, ctx: RequestContext, wish: CreateInstanceRequest, task_id: str) -> None:
    """Write a new server and the task that makes it; raises what stands in the way, with nothing written."""
    await projects.require_open(tx, ctx.place)
    order = wish.order(await _ssh_key_id(tx, ctx, wish.ssh_key_name))
    flavor = _flavor(ctx, order, wish.kind)
    await check_capacity(tx, ctx, flavor)
    if order.placement_group_id:
        (await placement_groups.get(tx, ctx.place, order.placement_group_id)).require_unlocked()
    there = await resolve_sources(tx, ctx.catalogue, ctx.place, order)
    plan = plan_instance(order, flavor, there, ctx, task_id)
    await check_quotas(tx, ctx, quota_checks.requested_amounts(plan.basket(order, flavor)))
    plan, plugged = await _written(tx, ctx, plan, order, task_id)
    await _volumes(tx, ctx, plan, there)
    profiles = [await protect_public_address(tx, ctx, plugged, wish.protection, task_id)] if wish.protection else []
    args = _args(plan, plugged) | {"profiles": profiles}
    await ctx.start_task(tx, wish.task_type, task_id, args, data=_shown(plan, order))
    await ctx.audit(tx, "instance", "create", plan.instance.id, data=_shown(plan, order), task_id=task_id)


async def _ssh_key_id(tx: Tx, ctx: RequestContext, name: str | None) -> str | None:
    """The id of the SSH key of that name; raises NotFound."""
    if not name:
        return None
    key = await ssh_keys.find_by_name(tx, ctx.place, ctx.caller.user_id, name)
    if key is None:
        raise NotFound(f"SSH key {name} could not be found")
    return key.id


def _flavor(ctx: RequestContext, order: InstanceOrder, kinds: Collection[Kind]) -> Flavor:
    flavor = ctx.catalogue.offered_flavor(order.flavor_id)
    if flavor is None or flavor.kind not in kinds:
        raise invalid(flavor=f"There is no flavor {order.flavor_id} for this kind of server")
    return flavor


async def _written(
    tx: Tx, ctx: RequestContext, plan: InstancePlan, order: InstanceOrder, task_id: str
) -> tuple[InstancePlan, list[AttachedInterface]]:
    """Insert the records: the instance first, which others refer to, its name when its addresses are known."""
    template = plan.instance
    await instances.add(tx, template)
    plugging = InterfaceContext(
        ctx=ctx,
        task_id=task_id,
        instance_id=template.id,
        guarded=template.virtual,
    )
    # Who names an address has it before others are given any that is free.
    turns = sorted(enumerate(order.interfaces), key=lambda turn: turn[1].ip_address is None)
    made = {
        at: await create_interface(tx, plugging, interface, order.groups_of(interface), at) for at, interface in turns
    }
    plugged = [made[at] for at in range(len(made))]
    plan = plan.with_name([ip for each in plugged for ip in each.addresses])
    await instances.save(tx, template, plan.instance)
    await tags.add(tx, instances.KIND, ctx.place, plan.instance.id, plan.tags[plan.instance.id])
    return plan, plugged


async def _volumes(tx: Tx, ctx: RequestContext, plan: InstancePlan, there: OrderSources) -> None:
    for volume in plan.volumes:
        await volumes.add(tx, volume)
    for taken in plan.taken:
        await volumes.save(tx, there.volumes[taken.id], taken)
    for volume in (*plan.volumes, *plan.taken):
        before_tags = await tags.of(tx, volume.id)
        await tags.save(tx, volumes.KIND, ctx.place, volume.id, before_tags, plan.tags[volume.id])
    for attachment in plan.attachments:
        await attachments.add(tx, attachment)


def _args(plan: InstancePlan, plugged: list[AttachedInterface]) -> dict[str, Any]:
    new = [each.floating_ip.id for each in plugged if each.floating_ip and each.new_floating_ip]
    return {
        "instance_id": plan.instance.id,
        "volumes": [volume.id for volume in plan.volumes],
        "floating_ips": new,
        "ports": [each.port.id for each in plugged if not each.port.reserved],
        "configuration": plan.configuration,
    }


def _shown(plan: InstancePlan, order: InstanceOrder) -> dict[str, Any]:
    """What clients are told of an order: nothing that is secret."""
    return {
        "instance_id": plan.instance.id,
        "name": plan.instance.name,
        "flavor_name": order.flavor_id,
        "keypair_name": order.ssh_key_id,
        "servergroup_id": order.placement_group_id,
        "security_groups": list(order.security_group_ids),
        "network_config": [
            {"type": each.type, "network_id": each.network_id, "subnet_id": each.subnet_id, "port_id": each.port_id}
            for each in order.interfaces
        ],
        "block_device_config": [
            {"source": each.source, "size": each.size, "boot_index": each.boot_index} for each in order.volumes
        ],
    }
