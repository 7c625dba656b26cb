"""Routes that add security groups to instances and remove them."""

from litestar import post
from litestar.params import FromPath, JSONBody

from pileus.api.authorization import WRITE
from pileus.api.context import Ctx
from pileus.api.wire.compute.instance_requests import ChangeSecurityGroups
from pileus.services.network import instance_security_groups as security_group_service

ONE = "/cloud/v1/instances/{project_id:int}/{region_id:int}/{instance_id:str}"


@post(f"{ONE}/addsecuritygroup", opt=WRITE, status_code=204, tags=["Instances"])
async def add_security_group(ctx: Ctx, instance_id: FromPath[str], data: JSONBody[ChangeSecurityGroups]) -> None:
    """Add security groups to an instance: the group `name` to all its ports, or groups to single ports.

    A group that a port has already stays. A port with port security disabled cannot have groups: it is left out if the
    request is for all ports, and the answer is 409 if the request names the port.
    """
    await ctx.submit_task_and_wait(
        lambda tx, task_id: security_group_service.add_security_groups(
            tx, ctx, instance_id, data.group_names_by_port(), task_id
        )
    )


@post(f"{ONE}/delsecuritygroup", opt=WRITE, status_code=204, tags=["Instances"])
async def remove_security_group(ctx: Ctx, instance_id: FromPath[str], data: JSONBody[ChangeSecurityGroups]) -> None:
    """Remove security groups from an instance: the group `name` from all its ports, or groups from single ports.

    It is no error if a port does not have the group. If the group does not exist, the answer is 404.
    """
    await ctx.submit_task_and_wait(
        lambda tx, task_id: security_group_service.remove_security_groups(
            tx, ctx, instance_id, data.group_names_by_port(), task_id
        )
    )


ROUTES = [add_security_group, remove_security_group]
