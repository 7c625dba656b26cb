"""create_subnet: make a subnet, and join it to a router if there is one for it.

Arguments: `subnet_id`. A failure leaves nothing behind.
"""

from msgspec.structs import replace

from pileus.domain.tasks import created_resources
from pileus.store.database import Tx
from pileus.store.network import subnets
from pileus.tasks.network.router_sync import (
    delete_subnet_records,
    detach_subnet,
    join_subnet,
    make_subnet,
    remove_subnet,
    subnet_of,
)
from pileus.tasks.operation import Created, Operation, Step, TaskContext


async def _done(tx: Tx, work: TaskContext) -> Created | None:
    subnet = await subnet_of(tx, work)
    await subnets.save(tx, subnet, replace(subnet, task_id=None))
    return created_resources(subnets=[subnet.id])


async def _failed(tx: Tx, work: TaskContext) -> None:
    await delete_subnet_records(tx, await subnet_of(tx, work))


STEPS = (Step("make the subnet", make_subnet, undo=remove_subnet), Step("join it", join_subnet, undo=detach_subnet))
CREATE_SUBNET = Operation("create_subnet", STEPS, _done, _failed)
