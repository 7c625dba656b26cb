"""Routes of the interfaces of instances: list them with ports and security groups, attach and detach them."""

from typing import Any

from litestar import get, post
from litestar.params import FromPath, JSONBody

from pileus.api.authorization import READ, WRITE
from pileus.api.context import Ctx
from pileus.api.paging import Limit, Offset
from pileus.api.routes.network.interface_views import build_interface_view
from pileus.api.unread_inputs import DECLARED_BODY
from pileus.api.validation import convert_body
from pileus.api.wire.network.interface_requests import AttachInterface, DetachInterface, with_inferred_interface_type
from pileus.api.wire.network.interfaces import InterfaceView
from pileus.api.wire.network.ports import PortSecurityGroups, SecurityGroupReference
from pileus.api.wire.paging import Page
from pileus.api.wire.tasks import TaskIds
from pileus.domain.network.ports import Port
from pileus.services.network import interfaces as interface_service
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.network import ports, security_groups

ONE = "/cloud/v1/instances/{project_id:int}/{region_id:int}/{instance_id:str}"


@get(f"{ONE}/interfaces", opt=READ, tags=["Instances"])
async def list_instance_interfaces(
    ctx: Ctx, instance_id: FromPath[str], limit: Limit = 1000, offset: Offset = 0
) -> Page[InterfaceView]:
    """List the interfaces of an instance with their networks, addresses and floating IPs."""
    async with ctx.db.scan() as tx:
        await instances.get(tx, ctx.place, instance_id)
        records = await ports.list_by_instance(tx, instance_id)
        views = [await build_interface_view(tx, ctx, port) for port in records[offset : offset + limit]]
    return Page(count=len(records), results=views)


@get(f"{ONE}/ports", opt=READ, tags=["Instances"])
async def list_instance_ports(ctx: Ctx, instance_id: FromPath[str]) -> Page[PortSecurityGroups]:
    """List the ports of an instance, each with its security groups."""
    async with ctx.db.scan() as tx:
        await instances.get(tx, ctx.place, instance_id)
        views = [await _show_port(tx, port) for port in await ports.list_by_instance(tx, instance_id)]
    return Page(count=len(views), results=views)


@get(f"{ONE}/securitygroups", opt=READ, tags=["Instances"])
async def list_instance_security_groups(ctx: Ctx, instance_id: FromPath[str]) -> Page[SecurityGroupReference]:
    """List the security groups of an instance's ports, each group once."""
    async with ctx.db.scan() as tx:
        await instances.get(tx, ctx.place, instance_id)
        names = {
            (group.name, group.id)
            for port in await ports.list_by_instance(tx, instance_id)
            for group in await security_groups.list_by_port(tx, port.id)
        }
    views = [SecurityGroupReference(id=group_id, name=name) for name, group_id in sorted(names)]
    return Page(count=len(views), results=views)


@post(f"{ONE}/attach_interface", opt=WRITE | {DECLARED_BODY: AttachInterface}, status_code=200, tags=["Instances"])
async def attach_interface(ctx: Ctx, instance_id: FromPath[str], data: JSONBody[dict[str, Any]]) -> TaskIds:
    """Attach an interface to an instance: `external` (public), `subnet`, `any_subnet` or `reserved_fixed_ip`.

    Without `type` it follows from `subnet_id`, `network_id` or `port_id`. Without security groups the port gets the
    project's default group. `ddos_profile` protects a public address. The instance must be active, shut off or paused.
    If the task fails, port and address are released; a reserved fixed IP remains reserved.
    """
    body = await convert_body(with_inferred_interface_type(data), AttachInterface)
    ddos_profile = body.ddos_profile.to_new_profile() if body.ddos_profile else None
    return await ctx.submit_task(
        lambda tx, task_id: interface_service.attach_interface(
            tx, ctx, instance_id, body.to_new_interface(), task_id, ddos_profile=ddos_profile, audit_data=data
        )
    )


@post(f"{ONE}/detach_interface", opt=WRITE, status_code=200, tags=["Instances"])
async def detach_interface(ctx: Ctx, instance_id: FromPath[str], data: JSONBody[DetachInterface]) -> TaskIds:
    """Detach an interface from an instance, given by its port and one of the port's addresses.

    Its addresses are released, its floating IPs are unassigned, and its DDoS profiles are deleted; a reserved fixed IP
    remains reserved. The instance must be active, shut off or paused.
    """
    return await ctx.submit_task(
        lambda tx, task_id: interface_service.detach_interface(
            tx, ctx, instance_id, data.port_id, data.ip_address, task_id
        )
    )


async def _show_port(tx: Tx, port: Port) -> PortSecurityGroups:
    groups = await security_groups.list_by_port(tx, port.id)
    names = [SecurityGroupReference(id=group.id, name=group.name) for group in groups]
    return PortSecurityGroups(id=port.id, name=port.name, security_groups=names)


ROUTES = [
    list_instance_interfaces, list_instance_ports, list_instance_security_groups, attach_interface, detach_interface,
]  # fmt: skip
