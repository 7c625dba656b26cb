"""Holds tasks up, or makes them fail, as the operator of a simulated cloud has asked."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from pileus.domain.faults import Fault, FaultKind
from pileus.domain.tasks import Task
from pileus.drivers.protocols.compute import DriverError
from pileus.store import faults
from pileus.store.database import Database, Tx

LOOK_AGAIN = 0.05
"""Seconds between looks whether a held task may go on."""


class StoredFaultInjector:
    """The engine's `Interference`, from the database: any process may add a fault, and every worker minds it."""

    def __init__(self, db: Database, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._db = db
        self._sleep = sleep

    async def before(self, task: Task, step: str, *, first: bool) -> None:
        """Wait while a hold strikes here, then fail if a failure does; raises DriverError."""
        while any(fault.kind == FaultKind.HOLD for fault in await self._striking(task, step, first=first)):
            await self._sleep(LOOK_AGAIN)
        for fault in await self._striking(task, step, first=first):
            if fault.kind == FaultKind.FAIL and await self._db.write(partial(_used, fault)):
                raise DriverError(fault.message or f"Failure injected at step {step!r}", retryable=False)

    async def _striking(self, task: Task, step: str, *, first: bool) -> list[Fault]:
        async with self._db.read() as tx:
            return [fault for fault in await faults.every(tx) if fault.matches(task.task_type, step, first=first)]


async def _used(fault: Fault, tx: Tx) -> bool:
    return await faults.consume(tx, fault)
