"""delete_subnet: take a subnet off its routers, then away.

Arguments: `subnet_id`. A failure leaves all as it was.
"""

from msgspec.structs import replace

from pileus.domain.errors import Conflict
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
    if await subnets.has_ports(tx, subnet.id):
        raise Conflict(f"Subnet {subnet.id} has ports again")
    await delete_subnet_records(tx, subnet)
    return None


async def _failed(tx: Tx, work: TaskContext) -> None:
    subnet = await subnet_of(tx, work)
    await subnets.save(tx, subnet, replace(subnet, task_id=None))


STEPS = (
    Step("part it from routers", detach_subnet, undo=join_subnet),
    Step("remove the subnet", remove_subnet, undo=make_subnet),
)
DELETE_SUBNET = Operation("delete_subnet", STEPS, _done, _failed)
