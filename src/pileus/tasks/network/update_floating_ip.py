"""update_floating_ip: let a floating IP lead elsewhere or nowhere, and change its tags.

Arguments: `floating_ip_id`; `target`, where it is to lead, or None where that stays; `tags`, a merge patch, or absent.
It leads where it did until the task is done; should the port be gone or taken by then, the task fails and it stays so.
"""

from msgspec import convert
from msgspec.structs import replace

from pileus.domain.errors import Conflict, not_found
from pileus.domain.network.floating_ips import FloatingIP, Target
from pileus.store import tags
from pileus.store.database import Tx
from pileus.store.network import floating_ips, ports
from pileus.tasks.network.floating_ip_sync import associate, floating_ip_of
from pileus.tasks.operation import Created, Operation, Step, TaskContext


async def _lead(work: TaskContext) -> None:
    async with work.db.read() as tx:
        floating_ip = await floating_ip_of(tx, work)
    await associate(work, floating_ip, _target(work, floating_ip))


async def _lead_as_before(work: TaskContext) -> None:
    async with work.db.read() as tx:
        floating_ip = await floating_ip_of(tx, work)
    await associate(work, floating_ip, floating_ip.target)


def _target(work: TaskContext, floating_ip: FloatingIP) -> Target:
    target = work.task.args["target"]
    return floating_ip.target if target is None else convert(target, Target)


async def _done(tx: Tx, work: TaskContext) -> Created | None:
    floating_ip = await floating_ip_of(tx, work)
    target = _target(work, floating_ip)
    await _still_there(tx, floating_ip, target)
    await floating_ips.save(tx, floating_ip, floating_ip.associated_with(target, work.now()))
    if "tags" in work.task.args:
        await tags.patch(tx, floating_ips.KIND, work.task.place, floating_ip.id, work.task.args["tags"])
    return None


async def _still_there(tx: Tx, floating_ip: FloatingIP, target: Target) -> None:
    """Return if the target can still be led to; raises NotFound or Conflict."""
    if target.port_id is None or target.fixed_ip_address is None or target == floating_ip.target:
        return
    if target.fixed_ip_address not in {line.ip for line in await ports.addresses_of(tx, target.port_id)}:
        raise not_found("Port", target.port_id)
    if other := await floating_ips.find_by_fixed_address(tx, target.port_id, target.fixed_ip_address):
        raise Conflict(f"Floating IP {other.id} leads to port {target.port_id} already")


async def _failed(tx: Tx, work: TaskContext) -> None:
    floating_ip = await floating_ip_of(tx, work)
    await floating_ips.save(tx, floating_ip, replace(floating_ip, task_id=None))


UPDATE_FLOATING_IP = Operation(
    "update_floating_ip", (Step("lead elsewhere", _lead, undo=_lead_as_before),), _done, _failed
)
