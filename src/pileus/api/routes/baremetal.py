"""Making bare metal servers; everything else is done to them as to any instance."""

from litestar import post
from litestar.params import JSONBody

from pileus.api.auth import WRITE
from pileus.api.call import Here
from pileus.api.creating import Wish, create
from pileus.api.wire.baremetal import CreateServer
from pileus.api.wire.tasks import TaskIds
from pileus.domain.instances import Kind


@post("/cloud/v1/bminstances/{project_id:int}/{region_id:int}", opt=WRITE, status_code=200, tags=["Bare Metal"])
async def create_server(call: Here, data: JSONBody[CreateServer]) -> TaskIds:
    """Make a bare metal server from an image or an app template.

    The answer names the one task that makes it. A task that fails leaves nothing behind.
    """
    call.region()
    task_id = call.cloud.new_id()
    wish = Wish(ssh_key_name=data.ssh_key_name, order=data.order, kind=(Kind.BAREMETAL,), task_type="create_bm")
    await call.db.write(lambda tx: create(tx, call, wish, task_id))
    call.cloud.nudge()
    return TaskIds(tasks=[task_id])


ROUTES = [create_server]
