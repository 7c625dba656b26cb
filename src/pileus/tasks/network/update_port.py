"""update_port: let interfaces be guarded as their records say now.

Arguments: `port_ids`. It holds nothing: whatever comes in between, the last of several such tasks tells how things
stand. What the records say stays when it fails; it can be asked for again.
"""

from pileus.drivers.protocols.compute import Interfaces
from pileus.store.database import Tx
from pileus.store.network import ports
from pileus.tasks.compute.machines import nic_of
from pileus.tasks.network.security_group_sync import ensure_default_groups
from pileus.tasks.operation import Created, Operation, Step, TaskContext


async def _tell(work: TaskContext) -> None:
    for port_id in work.task.args["port_ids"]:
        async with work.db.read() as tx:
            port = await ports.find(tx, port_id)
            nic = await nic_of(tx, port) if port else None
        if port is None or nic is None or port.instance_id is None or not isinstance(work.driver, Interfaces):
            continue
        await ensure_default_groups(work, nic.groups)
        await work.driver.ensure_interface(port.instance_id, nic)


async def _done(_tx: Tx, _work: TaskContext) -> Created | None:
    return None


async def _failed(_tx: Tx, _work: TaskContext) -> None:
    return None


SECURE_PORTS = Operation("update_port", (Step("tell the interfaces", _tell),), _done, _failed)
