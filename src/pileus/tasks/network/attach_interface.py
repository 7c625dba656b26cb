"""attach_vm_interface and attach_vm_to_reserved_fixed_ip: plug a machine in at a port that was made or taken for it.

Arguments: `instance_id`, `port_id`; `profiles`, the protection against DDoS that was made for its address. A failure
leaves neither port nor protection; a reserved port stays, by itself again.
"""

from msgspec.structs import replace

from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.network import ports
from pileus.store.network.unplugging import unplug
from pileus.tasks.compute.machines import held
from pileus.tasks.network import protection
from pileus.tasks.network.plugging import held_port, plug_in, pull_out
from pileus.tasks.operation import Created, Operation, Step, Work


async def _done(tx: Tx, work: Work) -> Created | None:
    instance, port = await held(tx, work), await held_port(tx, work)
    await ports.save(tx, port, replace(port, task_id=None))
    await protection.settle(tx, work)
    await instances.save(tx, instance, instance.released())
    return None


async def _failed(tx: Tx, work: Work) -> None:
    instance, port = await held(tx, work), await held_port(tx, work)
    await protection.forget(tx, work)
    await unplug(tx, port, work.now(), lived=False)
    await instances.save(tx, instance, instance.released())


STEPS = (
    Step("plug in", plug_in, undo=pull_out),
    Step("protect", protection.protect, undo=protection.take_away),
)
ATTACH_INTERFACE = tuple(
    Operation(task_type, STEPS, _done, _failed)
    for task_type in ("attach_vm_interface", "attach_vm_to_reserved_fixed_ip")
)
