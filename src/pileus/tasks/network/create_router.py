"""create_router: make a router that leads out and joins subnets, as it was asked for.

Arguments: `router_id`. A failure leaves nothing behind.
"""

from pileus.domain.tasks import created_resources
from pileus.store.database import Tx
from pileus.store.network import routers
from pileus.tasks.network.router_sync import delete_router_records, ensure_router, remove_router, router_of
from pileus.tasks.operation import Created, Operation, Step, TaskContext


async def _done(tx: Tx, work: TaskContext) -> Created | None:
    router = await router_of(tx, work)
    await routers.save(tx, router, router.activated(work.now()))
    return created_resources(routers=[router.id])


async def _failed(tx: Tx, work: TaskContext) -> None:
    await delete_router_records(tx, work.task.args["router_id"])


STEPS = (Step("make the router", ensure_router, undo=remove_router),)
CREATE_ROUTER = Operation("create_router", STEPS, _done, _failed)
