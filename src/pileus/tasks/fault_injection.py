"""Inject faults into tasks: hold them before a step, or make the step fail."""

from functools import partial
from typing import Protocol

from pileus.domain.faults import Fault, FaultKind
from pileus.domain.tasks import Task
from pileus.drivers.protocols.compute import SupportsSimulation
from pileus.drivers.protocols.errors import DriverError
from pileus.store import faults
from pileus.store.database import Database, Tx
from pileus.store.open_transactions import read_once_joined
from pileus.tasks.operation import TaskContext, TaskHeldError


class FaultInjector(Protocol):
    """Delays tasks or makes them fail, for tests and simulations."""

    async def before_step(self, ctx: TaskContext[object], step: str, *, is_first: bool) -> None:
        """Return if the step may begin. Raises TaskHeldError to hold the task, or DriverError to make it fail."""


class StoredFaultInjector:
    """A `FaultInjector` whose faults are in the database: any process may add one, and every worker obeys it.

    Tasks of regions that are not simulated have none.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    async def before_step(self, ctx: TaskContext[object], step: str, *, is_first: bool) -> None:
        """Raise TaskHeldError if a hold matches the step, or DriverError if a failure matches."""
        driver = ctx.drivers.find_here(ctx.task.region_id)
        if driver is not None and not isinstance(driver, SupportsSimulation):
            return
        candidates = await read_once_joined(
            "faults", partial(ctx.read_once, "faults", partial(_list_candidates, ctx.task))
        )
        matching = [fault for fault in candidates if fault.matches(ctx.task.task_type, step, is_first_step=is_first)]
        for fault in matching:
            if fault.kind == FaultKind.HOLD:
                raise TaskHeldError(fault.id)
        for fault in matching:
            if fault.kind == FaultKind.FAIL and await self._db.write(partial(_consume, fault)):
                raise DriverError(fault.message or f"Failure injected at step {step!r}", retryable=False)


async def _list_candidates(task: Task, tx: Tx) -> list[Fault]:
    return await faults.list_for_tasks_of(tx, task.client_id)


async def _consume(fault: Fault, tx: Tx) -> bool:
    return await faults.consume_one_use(tx, fault)
