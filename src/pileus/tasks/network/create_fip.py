"""create_fip: make a floating IP, and let it lead to a port if one is named.

Arguments: `floating_ip_id`. Its address is taken from the start; a failure frees it again.
"""

from pileus.domain.network.floating_ips import Target
from pileus.domain.tasks import created_resources
from pileus.store.database import Tx
from pileus.store.network import floating_ips
from pileus.tasks.network.floating_ip_sync import associate, floating_ip_of
from pileus.tasks.operation import Created, Operation, Step, TaskContext


async def _lead(work: TaskContext) -> None:
    async with work.db.read() as tx:
        floating_ip = await floating_ip_of(tx, work)
    await associate(work, floating_ip, floating_ip.target)


async def _lead_nowhere(work: TaskContext) -> None:
    async with work.db.read() as tx:
        floating_ip = await floating_ip_of(tx, work)
    await associate(work, floating_ip, Target())


async def _done(tx: Tx, work: TaskContext) -> Created | None:
    floating_ip = await floating_ip_of(tx, work)
    await floating_ips.save(tx, floating_ip, floating_ip.associated_with(floating_ip.target, work.now()))
    return created_resources(floatingips=[floating_ip.id])


async def _failed(tx: Tx, work: TaskContext) -> None:
    await floating_ips.remove(tx, work.task.args["floating_ip_id"])


CREATE_FIP = Operation("create_fip", (Step("lead to the port", _lead, undo=_lead_nowhere),), _done, _failed)
