"""A machine's plug in a port: what tasks about one interface have in common, by `instance_id` and `port_id`."""

from pileus.domain.network.ports import Port
from pileus.drivers.protocols.compute import DriverError, Interfaces
from pileus.store.database import Tx
from pileus.store.network import floating_ips, ports
from pileus.tasks.compute.machines import nic_of
from pileus.tasks.network.floating_ip_sync import associate_all, disassociate_all
from pileus.tasks.network.security_group_sync import ensure_default_groups
from pileus.tasks.operation import TaskContext
from pileus.tasks.records import record_of_task


async def port_of(tx: Tx, work: TaskContext) -> Port:
    """The port that the task is about; raises NotFound."""
    return await record_of_task(tx, work, "port_id", "Port", ports.find)


async def attach_to_machine(work: TaskContext) -> None:
    """Give the machine its interface, and let floating IPs lead there."""
    async with work.db.read() as tx:
        nic = await nic_of(tx, await port_of(tx, work))
        leading = await floating_ips.of_port(tx, nic.port_id)
    await ensure_default_groups(work, nic.groups)
    await _networks(work).ensure_interface(work.task.args["instance_id"], nic)
    await associate_all(work, leading)


async def detach_from_machine(work: TaskContext) -> None:
    """Take the interface away, and what leads there."""
    async with work.db.read() as tx:
        leading = await floating_ips.of_port(tx, work.task.args["port_id"])
    await disassociate_all(work, leading)
    await _networks(work).ensure_no_interface(work.task.args["instance_id"], work.task.args["port_id"])


def _networks(work: TaskContext) -> Interfaces:
    if not isinstance(work.driver, Interfaces):
        raise DriverError("This cloud cannot change the interfaces of an instance", retryable=False)
    return work.driver
