"""delete_fip: let a floating IP lead nowhere, and free its address.

Arguments: `floating_ip_id`; `profiles`, the protection against DDoS that goes with the address.
"""

from msgspec.structs import replace

from pileus.domain.network.floating_ips import Target
from pileus.store.account import metering
from pileus.store.database import Tx
from pileus.store.network import floating_ips
from pileus.tasks.network import ddos_profile_sync
from pileus.tasks.network.floating_ip_sync import associate, floating_ip_of
from pileus.tasks.operation import Created, Operation, Step, TaskContext


async def _lead_nowhere(work: TaskContext) -> None:
    async with work.db.read() as tx:
        floating_ip = await floating_ip_of(tx, work)
    await associate(work, floating_ip, Target())


async def _lead(work: TaskContext) -> None:
    async with work.db.read() as tx:
        floating_ip = await floating_ip_of(tx, work)
    await associate(work, floating_ip, floating_ip.target)


async def _done(tx: Tx, work: TaskContext) -> Created | None:
    await ddos_profile_sync.delete_profiles(tx, work)
    floating_ip = await floating_ip_of(tx, work)
    await metering.close_usage(tx, [floating_ip], work.now())
    await floating_ips.remove(tx, floating_ip.id)
    return None


async def _failed(tx: Tx, work: TaskContext) -> None:
    await ddos_profile_sync.unlock_profiles(tx, work)
    floating_ip = await floating_ip_of(tx, work)
    await floating_ips.save(tx, floating_ip, replace(floating_ip, task_id=None))


STEPS = (
    Step("stop leading", _lead_nowhere, undo=_lead),
    Step("stop protecting", ddos_profile_sync.unprotect, undo=ddos_profile_sync.protect),
)
DELETE_FIP = Operation("delete_fip", STEPS, _done, _failed)
