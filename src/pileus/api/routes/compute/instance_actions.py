"""Routes of power actions, flavor changes and placement group membership of instances.

The deprecated routes of version 1 wait for the task and return the instance.
"""

from litestar import post
from litestar.params import FromPath, JSONBody

from pileus.api.authorization import WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.routes.compute.instance_views import INSTANCE, show_instance
from pileus.api.wire.compute.flavor_requests import ChangeFlavor
from pileus.api.wire.compute.instance_requests import InstancePowerActionRequest, PutIntoPlacementGroup, StartInstance
from pileus.api.wire.compute.instances import InstanceView
from pileus.api.wire.tasks import TaskIds
from pileus.domain.compute.instances import PowerAction
from pileus.services.compute import flavor_changes as flavor_service
from pileus.services.compute import placement_groups as placement_group_service
from pileus.services.compute import power_actions as power_service

ONE = "/cloud/v1/instances/{project_id:int}/{region_id:int}/{instance_id:str}"
ONE_V2 = "/cloud/v2/instances/{project_id:int}/{region_id:int}/{instance_id:str}"
DEFAULT_START = StartInstance()


@post(f"{ONE_V2}/action", opt=WRITE, status_code=200, tags=["Instances"])
async def act_on_instance(ctx: Ctx, instance_id: FromPath[str], data: JSONBody[InstancePowerActionRequest]) -> TaskIds:
    """Start, stop, reboot (`reboot` softly, `reboot_hard` by a power cycle), suspend or resume an instance.

    An instance can be started if it is shut off, rebooted softly if it is active, suspended if it is active or shut
    off, and resumed if it is suspended. The response is 409 in any other status, and while a task has locked the
    instance. A start also activates the DDoS profiles, unless `activate_profile` is false. Bare metal servers cannot be
    suspended.
    """
    return await ctx.submit_task(
        lambda tx, task_id: power_service.start_power_action(
            tx, ctx, instance_id, data.action, task_id, activate_profiles=data.activate_profile is not False
        )
    )


@post(f"{ONE}/start", opt=WRITE, status_code=200, deprecated=True, tags=["Instances"])
async def start_instance(
    ctx: Ctx, instance_id: FromPath[str], data: JSONBody[StartInstance] = DEFAULT_START
) -> InstanceView:
    """Start an instance. Waits up to 25 seconds for the task and returns the instance.

    Deprecated: use the action `start`.
    """
    return await _act_and_wait(ctx, instance_id, PowerAction.START, activate_profiles=data.activate_profile)


@post(f"{ONE}/stop", opt=WRITE, status_code=200, deprecated=True, tags=["Instances"])
async def stop_instance(ctx: Ctx, instance_id: FromPath[str]) -> InstanceView:
    """Stop an instance. Waits up to 25 seconds for the task and returns the instance.

    Deprecated: use the action `stop`.
    """
    return await _act_and_wait(ctx, instance_id, PowerAction.STOP)


@post(f"{ONE}/powercycle", opt=WRITE, status_code=200, deprecated=True, tags=["Instances"])
async def powercycle_instance(ctx: Ctx, instance_id: FromPath[str]) -> InstanceView:
    """Reboot an instance by a power cycle. Waits up to 25 seconds for the task and returns the instance.

    Deprecated: use the action `reboot_hard`.
    """
    return await _act_and_wait(ctx, instance_id, PowerAction.REBOOT_HARD)


@post(f"{ONE}/reboot", opt=WRITE, status_code=200, deprecated=True, tags=["Instances"])
async def reboot_instance(ctx: Ctx, instance_id: FromPath[str]) -> InstanceView:
    """Reboot an instance softly. Waits up to 25 seconds for the task and returns the instance.

    Deprecated: use the action `reboot`.
    """
    return await _act_and_wait(ctx, instance_id, PowerAction.REBOOT)


@post(f"{ONE}/suspend", opt=WRITE, status_code=200, deprecated=True, tags=["Instances"])
async def suspend_instance(ctx: Ctx, instance_id: FromPath[str]) -> InstanceView:
    """Suspend an instance. Waits up to 25 seconds for the task and returns the instance.

    Deprecated: use the action `suspend`.
    """
    return await _act_and_wait(ctx, instance_id, PowerAction.SUSPEND)


@post(f"{ONE}/resume", opt=WRITE, status_code=200, deprecated=True, tags=["Instances"])
async def resume_instance(ctx: Ctx, instance_id: FromPath[str]) -> InstanceView:
    """Resume a suspended instance. Waits up to 25 seconds for the task and returns the instance.

    Deprecated: use the action `resume`.
    """
    return await _act_and_wait(ctx, instance_id, PowerAction.RESUME)


@post(f"{ONE}/changeflavor", opt=WRITE, status_code=200, tags=["Instances"])
async def change_flavor(ctx: Ctx, instance_id: FromPath[str], data: JSONBody[ChangeFlavor]) -> TaskIds:
    """Change the flavor of an instance to another flavor of its kind.

    The instance must be active or shut off; its status is `RESIZE` during the task, and the same as before after it.
    The flavor must meet the requirements of the image that the instance boots from. Bare metal servers cannot be
    resized.
    """
    return await ctx.submit_task(
        lambda tx, task_id: flavor_service.change_instance_flavor(
            tx, ctx, ctx.app.drivers, instance_id, data.flavor_id, task_id
        )
    )


@post(f"{ONE}/put_into_servergroup", opt=WRITE, status_code=200, tags=["Instances"])
async def put_into_placement_group(
    ctx: Ctx, instance_id: FromPath[str], data: JSONBody[PutIntoPlacementGroup]
) -> TaskIds:
    """Put an instance that is in no placement group into one.

    The instance must be active or shut off: it migrates to another host if the policy of the group does not allow its
    present host. If the policy allows no host, the task fails and nothing changes. Bare metal servers cannot be in
    placement groups.
    """
    return await ctx.submit_task(
        lambda tx, task_id: placement_group_service.put_into_placement_group(
            tx, ctx, instance_id, data.servergroup_id, task_id
        )
    )


@post(f"{ONE}/remove_from_servergroup", opt=WRITE, status_code=200, tags=["Instances"])
async def remove_from_placement_group(ctx: Ctx, instance_id: FromPath[str]) -> TaskIds:
    """Remove an instance from its placement group. The instance stays on its host."""
    return await ctx.submit_task(
        lambda tx, task_id: placement_group_service.remove_from_placement_group(tx, ctx, instance_id, task_id)
    )


async def _act_and_wait(
    ctx: RequestContext, instance_id: str, action: PowerAction, *, activate_profiles: bool = False
) -> InstanceView:
    await ctx.submit_task_and_wait(
        lambda tx, task_id: power_service.start_power_action(
            tx, ctx, instance_id, action, task_id, activate_profiles=activate_profiles
        )
    )
    return await show_instance(ctx, instance_id, INSTANCE)


ROUTES = [
    act_on_instance,
    start_instance,
    stop_instance,
    powercycle_instance,
    reboot_instance,
    suspend_instance,
    resume_instance,
    change_flavor,
    put_into_placement_group,
    remove_from_placement_group,
]
