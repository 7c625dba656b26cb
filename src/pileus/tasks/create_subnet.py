"""create_subnet: make a subnet, and join it to a router if there is one for it.

Arguments: `subnet_id`. A failure leaves nothing behind.
"""

from msgspec.structs import replace

from pileus.domain.routers import Leg
from pileus.domain.tasks import created
from pileus.store import router_ports, subnets
from pileus.store.database import Tx
from pileus.tasks.operation import Created, Operation, Step, Work
from pileus.tasks.wiring import forget_subnet, join, part, range_of, subnet_of, weaver


async def _make(work: Work) -> None:
    async with work.db.read() as tx:
        subnet = await subnet_of(tx, work)
    await weaver(work).ensure_subnet(range_of(subnet))


async def _remove(work: Work) -> None:
    await weaver(work).ensure_no_subnet(work.task.args["subnet_id"])


async def _join(work: Work) -> None:
    await join(work, await _legs(work))


async def _part(work: Work) -> None:
    await part(work, await _legs(work))


async def _legs(work: Work) -> list[Leg]:
    async with work.db.read() as tx:
        return await router_ports.on_subnet(tx, work.task.args["subnet_id"])


async def _done(tx: Tx, work: Work) -> Created | None:
    subnet = await subnet_of(tx, work)
    await subnets.save(tx, subnet, replace(subnet, task_id=None))
    return created(subnets=[subnet.id])


async def _failed(tx: Tx, work: Work) -> None:
    await forget_subnet(tx, await subnet_of(tx, work))


STEPS = (Step("make the subnet", _make, undo=_remove), Step("join it", _join, undo=_part))
CREATE_SUBNET = Operation("create_subnet", STEPS, _done, _failed)
