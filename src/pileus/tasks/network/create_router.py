"""create_router: make a router that leads out and joins subnets, as it was asked for.

Arguments: `router_id`. A failure leaves nothing behind.
"""

from pileus.domain.tasks import created
from pileus.store.database import Tx
from pileus.store.network import routers
from pileus.tasks.network.wiring import forget_router, make_router, remove_router, router_of
from pileus.tasks.operation import Created, Operation, Step, Work


async def _done(tx: Tx, work: Work) -> Created | None:
    router = await router_of(tx, work)
    await routers.save(tx, router, router.ready(work.now()))
    return created(routers=[router.id])


async def _failed(tx: Tx, work: Work) -> None:
    await forget_router(tx, work.task.args["router_id"])


STEPS = (Step("make the router", make_router, undo=remove_router),)
CREATE_ROUTER = Operation("create_router", STEPS, _done, _failed)
