"""detach_vm_interface: unplug a machine at a port, and free its addresses; a reserved port stays, by itself.

Arguments: `instance_id`, `port_id`; `profiles`, the protection against DDoS that goes with the addresses. Floating IPs
that lead to the port lead nowhere afterwards.
"""

from msgspec.structs import replace

from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.network import floating_ips, ports
from pileus.store.network.unplugging import unplug
from pileus.tasks.compute.machines import held
from pileus.tasks.network import protection
from pileus.tasks.network.plugging import held_port, plug_in, pull_out
from pileus.tasks.operation import Created, Operation, Step, Work


async def _done(tx: Tx, work: Work) -> Created | None:
    instance, port = await held(tx, work), await held_port(tx, work)
    await protection.forget(tx, work)
    await unplug(tx, port, work.now())
    await instances.save(tx, instance, instance.released())
    return None


async def _failed(tx: Tx, work: Work) -> None:
    instance, port = await held(tx, work), await held_port(tx, work)
    await protection.settle(tx, work)
    for floating_ip in await floating_ips.of_port(tx, port.id):
        await floating_ips.save(tx, floating_ip, replace(floating_ip, task_id=None))
    await ports.save(tx, port, replace(port, task_id=None))
    await instances.save(tx, instance, instance.released())


STEPS = (
    Step("unplug", pull_out, undo=plug_in),
    Step("stop protecting", protection.take_away, undo=protection.protect),
)
DETACH_INTERFACE = Operation("detach_vm_interface", STEPS, _done, _failed)
