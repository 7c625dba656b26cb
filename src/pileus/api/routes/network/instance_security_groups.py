"""Adding security groups to an instance's ports, and taking them away: at once, by name."""

from litestar import post
from litestar.params import FromPath, JSONBody

from pileus.api.auth import WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.wire.compute.instance_requests import ChangeSecurityGroups
from pileus.domain.errors import not_found
from pileus.domain.network.security_groups import groups_to_add, groups_to_remove, single_group
from pileus.services.network.security_groups import start_port_refresh
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.network import ports, security_groups

ONE = "/cloud/v1/instances/{project_id:int}/{region_id:int}/{instance_id:str}"


@post(f"{ONE}/addsecuritygroup", opt=WRITE, status_code=204, tags=["Instances"])
async def add_security_group(ctx: Ctx, instance_id: FromPath[str], data: JSONBody[ChangeSecurityGroups]) -> None:
    """Let security groups guard an instance: one for all its ports by `name`, or some for single ports.

    A group that guards a port already stays. A port whose port security is disabled takes none: it is left out where
    all are meant, and a conflict where it is named.
    """
    asked = data.by_port()

    async def write(tx: Tx) -> str:
        instance = await instances.get(tx, ctx.place, instance_id)
        await instances.bump_revision(tx, instance.require_unlocked().check_security_groups_allowed())
        for port, name in groups_to_add(await ports.of_instance(tx, instance_id), asked):
            group = single_group(name, await security_groups.find_by_name(tx, ctx.place, name))
            await security_groups.add_to_port(tx, port.id, [group.id])
        return await _record(tx, ctx, "attach", instance_id, data)

    await ctx.wait_for_task(await ctx.db.write(write))


@post(f"{ONE}/delsecuritygroup", opt=WRITE, status_code=204, tags=["Instances"])
async def remove_security_group(ctx: Ctx, instance_id: FromPath[str], data: JSONBody[ChangeSecurityGroups]) -> None:
    """Take security groups from an instance: one from all its ports by `name`, or some from single ports.

    A group that does not guard a port is no error; one that does not exist is.
    """
    asked = data.by_port()

    async def write(tx: Tx) -> str:
        instance = await instances.get(tx, ctx.place, instance_id)
        await instances.bump_revision(tx, instance.require_unlocked())
        for port, name in groups_to_remove(await ports.of_instance(tx, instance_id), asked):
            groups = await security_groups.find_by_name(tx, ctx.place, name)
            if not groups:
                raise not_found("Security group", name)
            await security_groups.remove_from_port(tx, port.id, [group.id for group in groups])
        return await _record(tx, ctx, "detach", instance_id, data)

    await ctx.wait_for_task(await ctx.db.write(write))


async def _record(tx: Tx, ctx: RequestContext, action: str, instance_id: str, data: ChangeSecurityGroups) -> str:
    """Write a line of the audit log, and the task that tells the instance's interfaces; the task's id."""
    changes = [{"port_id": port_id, "security_group_names": list(names)} for port_id, names in data.by_port()]
    await ctx.audit(tx, "instance", action, instance_id, data={"ports_security_group_names": changes})
    return await start_port_refresh(tx, ctx, [port.id for port in await ports.of_instance(tx, instance_id)])


ROUTES = [add_security_group, remove_security_group]
