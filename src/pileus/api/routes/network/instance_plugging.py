"""Giving an instance one more interface, and taking one away."""

from typing import Any

from litestar import post
from litestar.params import FromPath, JSONBody
from msgspec import to_builtins

from pileus.api.auth import WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.validation import convert_body
from pileus.api.wire.network.interfaces import AttachInterface, DetachInterface, inferred
from pileus.api.wire.tasks import TaskIds
from pileus.domain.account import quota_checks
from pileus.domain.compute.instance_orders import InterfaceType, NewInterface, resource_demand
from pileus.domain.network.interfaces import check_address, check_attachable, next_position, port_to_detach
from pileus.domain.network.ports import Port
from pileus.services.account.request_quotas import check_quotas
from pileus.services.network.ddos_profiles import lock_profiles_of_ports
from pileus.services.network.ddos_protection import protect_public_address
from pileus.services.network.interfaces import AttachedInterface, InterfaceContext, create_interface
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.network import floating_ips, ports

ONE = "/cloud/v1/instances/{project_id:int}/{region_id:int}/{instance_id:str}"


@post(f"{ONE}/attach_interface", opt=WRITE, status_code=200, tags=["Instances"])
async def attach_interface(ctx: Ctx, instance_id: FromPath[str], data: JSONBody[dict[str, Any]]) -> TaskIds:
    """Give an instance an interface: `external` (a public address), `subnet`, `any_subnet` or `reserved_fixed_ip`.

    `type` may be left out: `subnet_id`, `network_id` or `port_id` tells it. Without security groups the project's
    default one guards the port. A public address can be given protection against DDoS at once. The instance must be
    active, shut off or paused. When the task fails neither port nor address is left; a reserved one stays yours.
    """
    body = convert_body(inferred(data), AttachInterface)
    task_id = ctx.new_id()

    async def write(tx: Tx) -> None:
        before = await instances.get(tx, ctx.place, instance_id)
        order = check_attachable(before, body.ordered())
        await instances.save(tx, before, before.changing_interfaces(task_id))
        plugged = await _plugged(tx, ctx, instance_id, order, task_id)
        profiles = (
            [await protect_public_address(tx, ctx, [plugged], body.ddos_profile.new_profile(), task_id)]
            if body.ddos_profile
            else []
        )
        reserved = order.type == InterfaceType.RESERVED_FIXED_IP
        task_type = "attach_vm_to_reserved_fixed_ip" if reserved else "attach_vm_interface"
        shown = {"instance_id": instance_id, "port_id": plugged.port.id}
        await ctx.start_task(tx, task_type, task_id, {**shown, "profiles": profiles}, data=shown)
        await ctx.audit(tx, "instance", "attach", instance_id, data=data, task_id=task_id)

    await ctx.db.write(write)
    ctx.app.wake_engine()
    return TaskIds(tasks=[task_id])


@post(f"{ONE}/detach_interface", opt=WRITE, status_code=200, tags=["Instances"])
async def detach_interface(ctx: Ctx, instance_id: FromPath[str], data: JSONBody[DetachInterface]) -> TaskIds:
    """Take an interface away: that of a port, with an address that it has.

    Its addresses are free again and floating IPs lead nowhere; a reserved fixed IP stays yours. Protection against DDoS
    goes with the address. The instance must be active, shut off or paused.
    """
    task_id = ctx.new_id()

    async def write(tx: Tx) -> None:
        before = await instances.get(tx, ctx.place, instance_id)
        port = port_to_detach(await ports.of_instance(tx, instance_id), data.port_id)
        check_address(port, await ports.addresses_of(tx, port.id), data.ip_address)
        await instances.save(tx, before, before.changing_interfaces(task_id))
        profiles = await _held(tx, port, task_id)
        shown = {"instance_id": instance_id, "port_id": port.id, "ip_address": data.ip_address}
        await ctx.start_task(tx, "detach_vm_interface", task_id, {**shown, "profiles": profiles}, data=shown)
        await ctx.audit(tx, "instance", "detach", instance_id, data=to_builtins(data), task_id=task_id)

    await ctx.db.write(write)
    ctx.app.wake_engine()
    return TaskIds(tasks=[task_id])


async def _plugged(
    tx: Tx, ctx: RequestContext, instance_id: str, order: NewInterface, task_id: str
) -> AttachedInterface:
    """Make the port, if the tenant's quotas allow it."""
    asked = quota_checks.requested_amounts(resource_demand(None, [], [order]))
    await check_quotas(tx, ctx, asked)
    plugging = InterfaceContext(
        ctx=ctx,
        task_id=task_id,
        instance_id=instance_id,
    )
    return await create_interface(
        tx, plugging, order, order.security_group_ids, next_position(await ports.of_instance(tx, instance_id))
    )


async def _held(tx: Tx, port: Port, task_id: str) -> list[int]:
    """Let the task hold the port and what leads to it; the ids of the protection that goes with its addresses."""
    await ports.save(tx, port, port.locked(task_id))
    for floating_ip in await floating_ips.of_port(tx, port.id):
        await floating_ips.save(tx, floating_ip, floating_ip.locked(task_id))
    return [] if port.reserved else await lock_profiles_of_ports(tx, [port], task_id)


ROUTES = [attach_interface, detach_interface]
