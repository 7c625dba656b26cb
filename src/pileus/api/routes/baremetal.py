"""Making bare metal servers; everything else is done to them as to any instance."""

from litestar import post
from litestar.params import JSONBody

from pileus.api.auth import WRITE
from pileus.api.call import Here
from pileus.api.creating import Wish, create, ssh_key_id
from pileus.api.wire.baremetal import CreateServer
from pileus.api.wire.tasks import TaskIds
from pileus.domain.instances import Kind
from pileus.store.database import Tx


@post("/cloud/v1/bminstances/{project_id:int}/{region_id:int}", opt=WRITE, status_code=200, tags=["Bare Metal"])
async def create_server(call: Here, data: JSONBody[CreateServer]) -> TaskIds:
    """Make a bare metal server from an image or an app template.

    The answer names the one task that makes it. A task that fails leaves nothing behind.
    """
    call.region()
    task_id = call.cloud.new_id()

    async def write(tx: Tx) -> None:
        order = data.order(await ssh_key_id(tx, call, data.ssh_key_name))
        await create(tx, call, Wish(order=order, kind=(Kind.BAREMETAL,), task_type="create_bm"), task_id)

    await call.db.write(write)
    call.cloud.nudge()
    return TaskIds(tasks=[task_id])


ROUTES = [create_server]
