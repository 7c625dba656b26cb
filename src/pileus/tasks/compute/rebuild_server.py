"""rebuild_bm: install an image on a bare metal server, and run it.

Arguments: `instance_id`. What was on the server does not come back: when the step fails the server shows that it is in
error, and can be rebuilt again.
"""

from msgspec.structs import replace

from pileus.domain.compute.instances import Boot, Status
from pileus.drivers.driver import DriverError, Rebuilds
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.tasks.compute.machines import held, machine_of
from pileus.tasks.operation import Created, Operation, Step, Work


async def _install(work: Work) -> None:
    if not isinstance(work.driver, Rebuilds):
        raise DriverError("This cloud's driver cannot rebuild servers", retryable=False)
    await work.driver.ensure_rebuilt(await machine_of(work), work.task.id)


async def _done(tx: Tx, work: Work) -> Created | None:
    instance = await held(tx, work)
    running = replace(instance.standing(Status.ACTIVE, work.now()).released(), boot=Boot())
    await instances.save(tx, instance, running)
    return None


async def _failed(tx: Tx, work: Work) -> None:
    instance = await held(tx, work)
    broken = replace(instance.standing(Status.ERROR, work.now()).released(), boot=Boot())
    await instances.save(tx, instance, broken)


REBUILD_SERVER = Operation("rebuild_bm", (Step("install", _install),), _done, _failed)
