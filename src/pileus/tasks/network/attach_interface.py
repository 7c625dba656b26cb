"""attach_vm_interface and attach_vm_to_reserved_fixed_ip: plug a machine in at a port that was made or taken for it.

Arguments: `instance_id`, `port_id`; `profiles`, the protection against DDoS that was made for its address. A failure
leaves neither port nor protection; a reserved port stays, by itself again.
"""

from msgspec.structs import replace

from pileus.services.network.interface_removal import remove_interface
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.network import ports
from pileus.tasks.compute.machines import instance_of
from pileus.tasks.network import ddos_profile_sync
from pileus.tasks.network.interface_sync import attach_to_machine, detach_from_machine, port_of
from pileus.tasks.operation import Created, Operation, Step, TaskContext


async def _done(tx: Tx, work: TaskContext) -> Created | None:
    instance, port = await instance_of(tx, work), await port_of(tx, work)
    await ports.save(tx, port, replace(port, task_id=None))
    await ddos_profile_sync.unlock_profiles(tx, work)
    await instances.save(tx, instance, instance.unlocked())
    return None


async def _failed(tx: Tx, work: TaskContext) -> None:
    instance, port = await instance_of(tx, work), await port_of(tx, work)
    await ddos_profile_sync.delete_profiles(tx, work)
    await remove_interface(tx, port, work.now(), lived=False)
    await instances.save(tx, instance, instance.unlocked())


STEPS = (
    Step("plug in", attach_to_machine, undo=detach_from_machine),
    Step("protect", ddos_profile_sync.protect, undo=ddos_profile_sync.unprotect),
)
ATTACH_INTERFACE = tuple(
    Operation(task_type, STEPS, _done, _failed)
    for task_type in ("attach_vm_interface", "attach_vm_to_reserved_fixed_ip")
)
