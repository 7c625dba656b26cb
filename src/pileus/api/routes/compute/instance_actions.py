"""An instance's power: the action, answered with its task, and the six older verbs that wait for its end."""

from collections.abc import Awaitable, Callable

from litestar import post
from litestar.params import FromPath, JSONBody
from msgspec.structs import replace

from pileus.api.auth import WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.routes.compute.instance_views import show
from pileus.api.wire.compute.instance_requests import ActOnInstance, StartInstance
from pileus.api.wire.compute.instances import InstanceView
from pileus.api.wire.tasks import TaskIds
from pileus.domain.compute.instances import Action, Instance
from pileus.domain.network.ddos_profile_locks import locked
from pileus.domain.places import Place
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.network import ddos_profiles

ONE = "/cloud/v1/instances/{project_id:int}/{region_id:int}/{instance_id:str}"
ONE_V2 = "/cloud/v2/instances/{project_id:int}/{region_id:int}/{instance_id:str}"
Find = Callable[[Tx, Place, str], Awaitable[Instance]]
AS_USUAL = StartInstance()


@post(f"{ONE_V2}/action", opt=WRITE, status_code=200, tags=["Instances"])
async def act_on_instance(ctx: Ctx, instance_id: FromPath[str], data: JSONBody[ActOnInstance]) -> TaskIds:
    """Start, stop, reboot (`reboot` softly, `reboot_hard` by its power), suspend or resume an instance.

    It can be started when it is shut off, rebooted softly when it is active, suspended when it is active or shut off,
    and resumed when it is suspended; in any other status the answer is 409, as it is while a task holds the instance.
    A start also turns protection against DDoS on again, unless `activate_profile` is false. Bare metal servers cannot
    be suspended.
    """
    activate = data.action is Action.START and data.activate_profile is not False
    return TaskIds(tasks=[await start_power_action(ctx, instance_id, data.action, activate=activate)])


@post(f"{ONE}/start", opt=WRITE, status_code=200, deprecated=True, tags=["Instances"])
async def start_instance(
    ctx: Ctx, instance_id: FromPath[str], data: JSONBody[StartInstance] = AS_USUAL
) -> InstanceView:
    """Start an instance and answer with it when it runs, or as it stands after 25 seconds. Use the action instead."""
    return await _after(ctx, instance_id, Action.START, activate=data.activate_profile)


@post(f"{ONE}/stop", opt=WRITE, status_code=200, deprecated=True, tags=["Instances"])
async def stop_instance(ctx: Ctx, instance_id: FromPath[str]) -> InstanceView:
    """Stop an instance and answer with it when it has, or as it stands after 25 seconds. Use the action instead."""
    return await _after(ctx, instance_id, Action.STOP)


@post(f"{ONE}/powercycle", opt=WRITE, status_code=200, deprecated=True, tags=["Instances"])
async def powercycle_instance(ctx: Ctx, instance_id: FromPath[str]) -> InstanceView:
    """Reboot an instance by its power, and answer with it afterwards. Use the action `reboot_hard` instead."""
    return await _after(ctx, instance_id, Action.REBOOT_HARD)


@post(f"{ONE}/reboot", opt=WRITE, status_code=200, deprecated=True, tags=["Instances"])
async def reboot_instance(ctx: Ctx, instance_id: FromPath[str]) -> InstanceView:
    """Reboot an instance softly, and answer with it afterwards. Use the action instead."""
    return await _after(ctx, instance_id, Action.REBOOT)


@post(f"{ONE}/suspend", opt=WRITE, status_code=200, deprecated=True, tags=["Instances"])
async def suspend_instance(ctx: Ctx, instance_id: FromPath[str]) -> InstanceView:
    """Suspend an instance, and answer with it afterwards. Use the action instead."""
    return await _after(ctx, instance_id, Action.SUSPEND)


@post(f"{ONE}/resume", opt=WRITE, status_code=200, deprecated=True, tags=["Instances"])
async def resume_instance(ctx: Ctx, instance_id: FromPath[str]) -> InstanceView:
    """Resume a suspended instance, and answer with it afterwards. Use the action instead."""
    return await _after(ctx, instance_id, Action.RESUME)


async def start_power_action(
    ctx: RequestContext, instance_id: str, action: Action, *, activate: bool = False, find: Find = instances.get
) -> str:
    """Lock the instance that is found and write down the task that does the action; its id."""
    task_id = ctx.new_id()

    async def write(tx: Tx) -> None:
        before = await find(tx, ctx.place, instance_id)
        await instances.save(tx, before, before.starting_action(action, task_id, ctx.now()))
        profiles = await _held_profiles(tx, before, task_id) if activate else []
        shown = {"instance_id": instance_id}
        args = {**shown, "before": before.status, "vm_state": before.vm_state, "profiles": profiles}
        await ctx.start_task(tx, before.task_type(action), task_id, args, data=shown)
        await ctx.audit(tx, "instance", action.value, instance_id, task_id=task_id)

    await ctx.db.write(write)
    ctx.app.wake_engine()
    return task_id


async def _held_profiles(tx: Tx, instance: Instance, task_id: str) -> list[int]:
    """Turn on what protection is off, held by the task; what another task holds is left to that one."""
    off = [each for each in await ddos_profiles.of_instance(tx, instance.id) if not each.active and not each.task_id]
    for profile in off:
        await ddos_profiles.save(tx, profile, replace(locked(profile, task_id), active=True))
    return [profile.id for profile in off]


async def _after(ctx: RequestContext, instance_id: str, action: Action, *, activate: bool = False) -> InstanceView:
    """The instance when the task has ended, or as it stands when that takes too long."""
    task_id = await start_power_action(ctx, instance_id, action, activate=activate)
    await ctx.wait_for_task(task_id)
    async with ctx.db.read() as tx:
        return show(ctx.app, *await instances.get_with_details(tx, ctx.place, instance_id))


ROUTES = [
    act_on_instance, start_instance, stop_instance, powercycle_instance, reboot_instance, suspend_instance,
    resume_instance,
]  # fmt: skip
