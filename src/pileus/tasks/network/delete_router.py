"""delete_router: take a router away, and free its addresses.

Arguments: `router_id`. A failure leaves all as it was.
"""

from msgspec.structs import replace

from pileus.store.database import Tx
from pileus.store.network import routers
from pileus.tasks.network.router_sync import delete_router_records, ensure_router, remove_router, router_of
from pileus.tasks.operation import Created, Operation, Step, TaskContext


async def _done(tx: Tx, work: TaskContext) -> Created | None:
    await delete_router_records(tx, work.task.args["router_id"])
    return None


async def _failed(tx: Tx, work: TaskContext) -> None:
    router = await router_of(tx, work)
    await routers.save(tx, router, replace(router, task_id=None))


STEPS = (Step("remove the router", remove_router, undo=ensure_router),)
DELETE_ROUTER = Operation("delete_router", STEPS, _done, _failed)
