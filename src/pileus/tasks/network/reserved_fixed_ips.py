"""create_reserved_fixed_ip, delete_reserved_fixed_ip: keep addresses without an instance, and free them again.

Arguments: `port_id`; of a creation, `made`: whether the port was made for it, or was an instance's before; of a
deletion, `profiles`: the protection against DDoS that goes with the addresses. Nothing is told to the driver of a port
that is plugged in nowhere.
"""

from msgspec.structs import replace

from pileus.domain.tasks import created_resources
from pileus.services.network.interface_removal import remove_interface
from pileus.store.database import Tx
from pileus.store.network import floating_ips, ports
from pileus.tasks.network import ddos_profile_sync
from pileus.tasks.network.floating_ip_sync import associate_all, disassociate_all
from pileus.tasks.network.interface_sync import port_of
from pileus.tasks.operation import Created, Operation, Step, TaskContext


async def _created(tx: Tx, work: TaskContext) -> Created | None:
    port = await port_of(tx, work)
    await ports.save(tx, port, replace(port, task_id=None))
    return created_resources(ports=[port.id])


async def _not_created(tx: Tx, work: TaskContext) -> None:
    port = await port_of(tx, work)
    if work.task.args["made"]:
        await ports.remove(tx, port.id)
    else:
        await ports.save(tx, port, replace(port, task_id=None, reserved=False, name=""))


async def _lead_nowhere(work: TaskContext) -> None:
    async with work.db.read() as tx:
        leading = await floating_ips.of_port(tx, work.task.args["port_id"])
    await disassociate_all(work, leading)


async def _lead(work: TaskContext) -> None:
    async with work.db.read() as tx:
        leading = await floating_ips.of_port(tx, work.task.args["port_id"])
    await associate_all(work, leading)


async def _deleted(tx: Tx, work: TaskContext) -> Created | None:
    port = await port_of(tx, work)
    await ddos_profile_sync.delete_profiles(tx, work)
    await remove_interface(tx, port, work.now(), freed=[port.id])
    return None


async def _not_deleted(tx: Tx, work: TaskContext) -> None:
    port = await port_of(tx, work)
    await ddos_profile_sync.unlock_profiles(tx, work)
    for floating_ip in await floating_ips.of_port(tx, port.id):
        await floating_ips.save(tx, floating_ip, replace(floating_ip, task_id=None))
    await ports.save(tx, port, replace(port, task_id=None))


RESERVED_FIXED_IPS = (
    Operation("create_reserved_fixed_ip", (), _created, _not_created),
    Operation(
        "delete_reserved_fixed_ip",
        (
            Step("stop leading there", _lead_nowhere, undo=_lead),
            Step("stop protecting", ddos_profile_sync.unprotect, undo=ddos_profile_sync.protect),
        ),
        _deleted,
        _not_deleted,
    ),
)
