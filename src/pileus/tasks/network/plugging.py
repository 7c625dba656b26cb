"""A machine's plug in a port: what tasks about one interface have in common, by `instance_id` and `port_id`."""

from pileus.domain.network.ports import Port
from pileus.drivers.driver import DriverError, Interfaces
from pileus.store.database import Tx
from pileus.store.network import floating_ips, ports
from pileus.tasks.compute.machines import nic_of
from pileus.tasks.network.firewalls import introduce
from pileus.tasks.network.leading import lead_all, lead_nowhere
from pileus.tasks.operation import Work
from pileus.tasks.subjects import subject


async def held_port(tx: Tx, work: Work) -> Port:
    """The port that the task is about; raises NotFound."""
    return await subject(tx, work, "port_id", "Port", ports.find)


async def plug_in(work: Work) -> None:
    """Give the machine its interface, and let floating IPs lead there."""
    async with work.db.read() as tx:
        nic = await nic_of(tx, await held_port(tx, work))
        leading = await floating_ips.of_port(tx, nic.port_id)
    await introduce(work, nic.groups)
    await _networks(work).ensure_plugged(work.task.args["instance_id"], nic)
    await lead_all(work, leading)


async def pull_out(work: Work) -> None:
    """Take the interface away, and what leads there."""
    async with work.db.read() as tx:
        leading = await floating_ips.of_port(tx, work.task.args["port_id"])
    await lead_nowhere(work, leading)
    await _networks(work).ensure_unplugged(work.task.args["instance_id"], work.task.args["port_id"])


def _networks(work: Work) -> Interfaces:
    if not isinstance(work.driver, Interfaces):
        raise DriverError("This cloud cannot change the interfaces of an instance", retryable=False)
    return work.driver
