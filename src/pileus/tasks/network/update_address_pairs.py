"""update_port_allowed_address_pairs: let an interface speak as other addresses than before.

The port has its new pairs from the start. Arguments: `port_id`; `instance_id`, or None for a port that is plugged in
nowhere; `before`, the pairs that it had.
"""

from msgspec import convert
from msgspec.structs import replace

from pileus.domain.network.ports import AddressPair, Port
from pileus.drivers.protocols.compute import Interfaces
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.network import ports
from pileus.tasks.compute.machines import instance_of, nic_of
from pileus.tasks.network.interface_sync import port_of
from pileus.tasks.operation import Created, Operation, Step, TaskContext


async def _apply(work: TaskContext) -> None:
    async with work.db.read() as tx:
        port = await port_of(tx, work)
    await _told(work, port)


async def _apply_as_before(work: TaskContext) -> None:
    async with work.db.read() as tx:
        port = await port_of(tx, work)
    await _told(work, replace(port, allowed_address_pairs=_before(work)))


async def _told(work: TaskContext, port: Port) -> None:
    """Tell the driver, if it is one that plugs; a port that is plugged in nowhere is told of when it is."""
    if port.instance_id is not None and isinstance(work.driver, Interfaces):
        async with work.db.read() as tx:
            nic = await nic_of(tx, port)
        await work.driver.ensure_interface(port.instance_id, nic)


def _before(work: TaskContext) -> list[AddressPair]:
    return convert(work.task.args["before"], list[AddressPair])


async def _done(tx: Tx, work: TaskContext) -> Created | None:
    port = await port_of(tx, work)
    await ports.save(tx, port, replace(port, task_id=None))
    await _let_go(tx, work)
    return None


async def _failed(tx: Tx, work: TaskContext) -> None:
    port = await port_of(tx, work)
    await ports.save(tx, port, replace(port, task_id=None, allowed_address_pairs=_before(work)))
    await _let_go(tx, work)


async def _let_go(tx: Tx, work: TaskContext) -> None:
    if work.task.args["instance_id"] is not None:
        instance = await instance_of(tx, work)
        await instances.save(tx, instance, instance.unlocked())


UPDATE_PORT = Operation(
    "update_port_allowed_address_pairs", (Step("apply", _apply, undo=_apply_as_before),), _done, _failed
)
