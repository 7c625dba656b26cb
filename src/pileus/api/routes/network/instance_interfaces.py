"""What an instance is connected to: its interfaces, their ports, and the security groups that guard them."""

from litestar import get
from litestar.params import FromPath

from pileus.api.auth import READ
from pileus.api.context import Ctx
from pileus.api.paging import Limit, Offset
from pileus.api.routes.network.interface_views import interface
from pileus.api.wire.network.ports import InterfaceView, PortSecurityGroups, SecurityGroupName
from pileus.api.wire.paging import Page
from pileus.domain.network.ports import Port
from pileus.domain.network.security_groups import SecurityGroup
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
        found = await ports.of_instance(tx, instance_id)
        shown = [await interface(tx, ctx, port) for port in found[offset : offset + limit]]
    return Page(count=len(found), results=shown)


@get(f"{ONE}/ports", opt=READ, tags=["Instances"])
async def list_instance_ports(ctx: Ctx, instance_id: FromPath[str]) -> Page[PortSecurityGroups]:
    """List the ports of an instance, each with its security groups."""
    async with ctx.db.scan() as tx:
        await instances.get(tx, ctx.place, instance_id)
        shown = [await _guarded(tx, port) for port in await ports.of_instance(tx, instance_id)]
    return Page(count=len(shown), results=shown)


@get(f"{ONE}/securitygroups", opt=READ, tags=["Instances"])
async def list_instance_security_groups(ctx: Ctx, instance_id: FromPath[str]) -> Page[SecurityGroupName]:
    """List the security groups of an instance, each once however many ports it guards."""
    groups: dict[str, SecurityGroup] = {}
    async with ctx.db.scan() as tx:
        await instances.get(tx, ctx.place, instance_id)
        for port in await ports.of_instance(tx, instance_id):
            groups |= {group.id: group for group in await security_groups.of_port(tx, port.id)}
    shown = [SecurityGroupName(id=group.id, name=group.name) for group in sorted(groups.values(), key=_name)]
    return Page(count=len(shown), results=shown)


async def _guarded(tx: Tx, port: Port) -> PortSecurityGroups:
    groups = await security_groups.of_port(tx, port.id)
    named = [SecurityGroupName(id=group.id, name=group.name) for group in groups]
    return PortSecurityGroups(id=port.id, name=port.name, security_groups=named)


def _name(group: SecurityGroup) -> tuple[str, str]:
    return group.name, group.id


ROUTES = [list_instance_interfaces, list_instance_ports, list_instance_security_groups]
