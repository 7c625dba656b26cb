"""rebuild_bm: install an image on a bare metal server, and run it.

Arguments: `instance_id`. What was on the server does not come back: when the step fails the server shows that it is in
error, and can be rebuilt again.
"""

from msgspec.structs import replace

from pileus.domain.compute.instances import Boot, Status
from pileus.drivers.protocols.compute import DriverError, Rebuilds
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.tasks.compute.machines import instance_of, machine_of
from pileus.tasks.operation import Created, Operation, Step, TaskContext


async def _install(work: TaskContext) -> None:
    if not isinstance(work.driver, Rebuilds):
        raise DriverError("This cloud's driver cannot rebuild servers", retryable=False)
    await work.driver.ensure_rebuilt(await machine_of(work), work.task.id)


async def _done(tx: Tx, work: TaskContext) -> Created | None:
    instance = await instance_of(tx, work)
    running = replace(instance.with_status(Status.ACTIVE, work.now()).unlocked(), boot=Boot())
    await instances.save(tx, instance, running)
    return None


async def _failed(tx: Tx, work: TaskContext) -> None:
    instance = await instance_of(tx, work)
    broken = replace(instance.with_status(Status.ERROR, work.now()).unlocked(), boot=Boot())
    await instances.save(tx, instance, broken)


REBUILD_SERVER = Operation("rebuild_bm", (Step("install", _install),), _done, _failed)
