"""create_subnet: make a subnet, and join it to a router if there is one for it.

Arguments: `subnet_id`. A failure leaves nothing behind.
"""

from msgspec.structs import replace

from pileus.domain.tasks import created
from pileus.store.database import Tx
from pileus.store.network import subnets
from pileus.tasks.network.wiring import forget_subnet, join_subnet, make_subnet, part_subnet, remove_subnet, subnet_of
from pileus.tasks.operation import Created, Operation, Step, Work


async def _done(tx: Tx, work: Work) -> Created | None:
    subnet = await subnet_of(tx, work)
    await subnets.save(tx, subnet, replace(subnet, task_id=None))
    return created(subnets=[subnet.id])


async def _failed(tx: Tx, work: Work) -> None:
    await forget_subnet(tx, await subnet_of(tx, work))


STEPS = (Step("make the subnet", make_subnet, undo=remove_subnet), Step("join it", join_subnet, undo=part_subnet))
CREATE_SUBNET = Operation("create_subnet", STEPS, _done, _failed)
