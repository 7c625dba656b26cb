"""detach_vm_interface: unplug a machine at a port, and free its addresses; a reserved port stays, by itself.

Arguments: `instance_id`, `port_id`; `profiles`, the protection against DDoS that goes with the addresses. Floating IPs
that lead to the port lead nowhere afterwards.
"""

from msgspec.structs import replace

from pileus.services.network.interface_removal import remove_interface
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.network import floating_ips, ports
from pileus.tasks.compute.machines import instance_of
from pileus.tasks.network import ddos_profile_sync
from pileus.tasks.network.interface_sync import attach_to_machine, detach_from_machine, port_of
from pileus.tasks.operation import Created, Operation, Step, TaskContext


async def _done(tx: Tx, work: TaskContext) -> Created | None:
    instance, port = await instance_of(tx, work), await port_of(tx, work)
    await ddos_profile_sync.delete_profiles(tx, work)
    await remove_interface(tx, port, work.now())
    await instances.save(tx, instance, instance.unlocked())
    return None


async def _failed(tx: Tx, work: TaskContext) -> None:
    instance, port = await instance_of(tx, work), await port_of(tx, work)
    await ddos_profile_sync.unlock_profiles(tx, work)
    for floating_ip in await floating_ips.of_port(tx, port.id):
        await floating_ips.save(tx, floating_ip, replace(floating_ip, task_id=None))
    await ports.save(tx, port, replace(port, task_id=None))
    await instances.save(tx, instance, instance.unlocked())


STEPS = (
    Step("unplug", detach_from_machine, undo=attach_to_machine),
    Step("stop protecting", ddos_profile_sync.unprotect, undo=ddos_profile_sync.protect),
)
DETACH_INTERFACE = Operation("detach_vm_interface", STEPS, _done, _failed)
