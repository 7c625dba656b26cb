"""Putting an instance into a placement group, and taking it out."""

from litestar import post
from litestar.params import FromPath, JSONBody

from pileus.api.auth import WRITE
from pileus.api.context import Ctx
from pileus.api.wire.compute.instance_requests import PutIntoPlacementGroup
from pileus.api.wire.tasks import TaskIds
from pileus.store.compute import instances, placement_groups
from pileus.store.database import Tx

ONE = "/cloud/v1/instances/{project_id:int}/{region_id:int}/{instance_id:str}"


@post(f"{ONE}/put_into_servergroup", opt=WRITE, status_code=200, tags=["Instances"])
async def put_into_placement_group(
    ctx: Ctx, instance_id: FromPath[str], data: JSONBody[PutIntoPlacementGroup]
) -> TaskIds:
    """Put an instance that is in no placement group into one.

    It must be active or shut off, as it is moved to another host where the group's policy does not allow its own. Where
    no host is left that the policy allows, the task fails and nothing has changed. Not for bare metal servers.
    """
    task_id, group_id = ctx.new_id(), data.servergroup_id

    async def write(tx: Tx) -> None:
        before = await instances.get(tx, ctx.place, instance_id)
        (await placement_groups.get(tx, ctx.place, group_id)).require_unlocked()
        await instances.save(tx, before, before.entering_group(group_id, task_id))
        shown = {"instance_id": instance_id, "servergroup_id": group_id}
        await ctx.start_task(tx, "put_into_server_group", task_id, {**shown, "host": before.host}, data=shown)
        body = {"servergroup_id": group_id}
        await ctx.audit(tx, "instance", "put_into_servergroup", instance_id, data=body, task_id=task_id)

    await ctx.db.write(write)
    ctx.app.wake_engine()
    return TaskIds(tasks=[task_id])


@post(f"{ONE}/remove_from_servergroup", opt=WRITE, status_code=200, tags=["Instances"])
async def remove_from_placement_group(ctx: Ctx, instance_id: FromPath[str]) -> TaskIds:
    """Take an instance out of its placement group; it stays on its host."""
    task_id = ctx.new_id()

    async def write(tx: Tx) -> None:
        before = await instances.get(tx, ctx.place, instance_id)
        await instances.save(tx, before, before.leaving_group(task_id))
        shown = {"instance_id": instance_id, "servergroup_id": before.placement_group_id}
        await ctx.start_task(tx, "remove_from_server_group", task_id, shown)
        await ctx.audit(tx, "instance", "remove_from_servergroup", instance_id, task_id=task_id)

    await ctx.db.write(write)
    ctx.app.wake_engine()
    return TaskIds(tasks=[task_id])


ROUTES = [put_into_placement_group, remove_from_placement_group]
