"""delete_subnet: take a subnet off its routers, then away.

Arguments: `subnet_id`. A failure leaves all as it was.
"""

from msgspec.structs import replace

from pileus.domain.errors import Conflict
from pileus.domain.routers import Leg
from pileus.store import router_ports, subnets
from pileus.store.database import Tx
from pileus.tasks.operation import Created, Operation, Step, Work
from pileus.tasks.wiring import forget_subnet, join, part, range_of, subnet_of, weaver


async def _part(work: Work) -> None:
    await part(work, await _legs(work))


async def _join(work: Work) -> None:
    await join(work, await _legs(work))


async def _legs(work: Work) -> list[Leg]:
    async with work.db.read() as tx:
        return await router_ports.on_subnet(tx, work.task.args["subnet_id"])


async def _remove(work: Work) -> None:
    await weaver(work).ensure_no_subnet(work.task.args["subnet_id"])


async def _make(work: Work) -> None:
    async with work.db.read() as tx:
        subnet = await subnet_of(tx, work)
    await weaver(work).ensure_subnet(range_of(subnet))


async def _done(tx: Tx, work: Work) -> Created | None:
    subnet = await subnet_of(tx, work)
    if await subnets.has_ports(tx, subnet.id):
        raise Conflict(f"Subnet {subnet.id} has ports again")
    await forget_subnet(tx, subnet)
    return None


async def _failed(tx: Tx, work: Work) -> None:
    subnet = await subnet_of(tx, work)
    await subnets.save(tx, subnet, replace(subnet, task_id=None))


STEPS = (Step("part it from routers", _part, undo=_join), Step("remove the subnet", _remove, undo=_make))
DELETE_SUBNET = Operation("delete_subnet", STEPS, _done, _failed)
