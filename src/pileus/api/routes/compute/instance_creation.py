"""Making instances."""

from litestar import post
from litestar.params import JSONBody

from pileus.api.auth import WRITE
from pileus.api.context import Ctx
from pileus.api.wire.compute.instance_requests import CreateInstance
from pileus.api.wire.tasks import TaskIds
from pileus.domain.compute.instances import Kind
from pileus.services.compute import instance_creation as creation_service
from pileus.services.compute.instance_creation import CreateInstanceRequest


@post("/cloud/v2/instances/{project_id:int}/{region_id:int}", opt=WRITE, status_code=200, tags=["Instances"])
async def create_instance(ctx: Ctx, data: JSONBody[CreateInstance]) -> TaskIds:
    """Make an instance: a flavor, volumes to boot and keep data on, interfaces to reach it by.

    Volumes come from an image, a snapshot, an app template, an existing volume, or are blank; interfaces take a public
    address, one of a subnet, one of any subnet of a network, or a reserved one, and may be given a floating IP. Without
    security groups the project's default one guards it. The answer names the one task that makes the instance; when it
    has finished, its `created_resources` say what is there. A task that fails leaves nothing behind.
    """
    ctx.region()
    task_id = ctx.new_id()
    wish = CreateInstanceRequest(
        ssh_key_name=data.effective_ssh_key(), order=data.order, kind=(Kind.VM, Kind.GPU), task_type="create_vm"
    )
    await ctx.db.write(lambda tx: creation_service.create_instance(tx, ctx, wish, task_id))
    ctx.app.wake_engine()
    return TaskIds(tasks=[task_id])


ROUTES = [create_instance]
