"""Claim the tasks whose turn it is.

A task of a region or of a type that this process does not know is left to others: a server with a newer catalogue or
a newer version has started it.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

from msgspec.structs import replace

from pileus.domain.tasks import SlotClass, Task
from pileus.drivers.protocols.regions import RegionDrivers
from pileus.store import tasks
from pileus.store.database import Database, Tx
from pileus.tasks.clocks import CloudClock
from pileus.tasks.operation import Operations
from pileus.tasks.slots import Slots

LOG = logging.getLogger(__name__)
CLAIMING_TIME = 10_000
"""Microseconds after which a transaction claims no further task."""


class OthersTaskError(Exception):
    """A claimed task is of a region or of a type that this process does not know."""

    def __init__(self, task: Task) -> None:
        super().__init__(task.id)
        self.task = task


@dataclass(slots=True)
class Claims:
    """What one transaction has claimed: tasks that it has also ended, and then one to be performed.

    `is_last` says that no other task waits for a slot.
    """

    ended: list[Task] = field(default_factory=list)
    task: Task | None = None
    is_last: bool = False


@dataclass(slots=True)
class TaskClaimer:
    """Claims tasks for a worker.

    `end_at_once` ends a task in the transaction that claims it; it returns False, and changes nothing, if it cannot.
    """

    db: Database
    operations: Operations
    drivers: RegionDrivers
    clock: CloudClock
    new_id: Callable[[], str]
    lease: int
    end_at_once: Callable[[Tx, Task], Awaitable[bool]]
    _others: tasks.OthersTasks = field(init=False)

    def __post_init__(self) -> None:
        self._others = tasks.OthersTasks(region_ids=self.drivers.remote_region_ids)

    async def claim(self, slots: Slots) -> Claims | None:
        """Claim tasks for the slots, or return None if no task waits.

        Goes to the next queue if other workers take all of a queue at this moment.
        """
        passed: set[str] = set()
        while (queue := await self._find_next_queue(slots)) is not None and queue not in passed:
            try:
                claims = await self.db.write(partial(self._claim_from_queues, slots, queue))
            except OthersTaskError as error:
                self._leave_to_others(error.task)
                continue
            if claims.ended or claims.task is not None:
                return claims
            passed.add(queue)
        slots.last_queue = ""
        return None

    async def _find_next_queue(self, slots: Slots) -> str | None:
        async with self.db.read() as tx:
            return await self._find_next_queue_in(tx, slots)

    async def _find_next_queue_in(self, tx: Tx, slots: Slots) -> str | None:
        excluded, system_now = slots.list_clients_at_limit(), self.clock.system_now()
        last_queue, slot_class = slots.last_queue, slots.slot_class
        queue = await tasks.find_next_queue(tx, slot_class, last_queue, system_now, excluded, self._others)
        # If no queue waits, the next look can begin with the first one.
        slots.last_queue = queue or ""
        return queue

    async def _claim_from_queues(self, slots: Slots, first_queue: str, tx: Tx) -> Claims:
        """Claim a task, and further ones as long as they end in this transaction."""
        claims, queue, begun_at = Claims(), first_queue, self.clock.system_now()
        while (task := await self._claim_from_queue(slots.slot_class, queue, tx)) is not None:
            if not await self.end_at_once(tx, task):
                claims.task = task
                break
            claims.ended.append(task)
            if self.clock.system_now() - begun_at > CLAIMING_TIME:
                break
            if (next_queue := await self._find_next_queue_in(tx, slots)) is None:
                claims.is_last = True
                break
            queue = next_queue
        return claims

    async def _claim_from_queue(self, slot_class: SlotClass, queue: str, tx: Tx) -> Task | None:
        now, system_now = self.clock.now(), self.clock.system_now()
        lease = tasks.Lease(self.new_id(), system_now, system_now + self.lease)
        task = await tasks.claim(tx, slot_class, queue, lease, now, self._others)
        if task is not None and not self.can_perform(task):
            # The exception undoes the claim, and what this transaction has ended before, which is claimed again.
            raise OthersTaskError(task)
        return task

    def can_perform(self, task: Task) -> bool:
        """Return whether this process knows the type and the region of a task."""
        return self._knows_type(task) and self._serves_region(task)

    def _knows_type(self, task: Task) -> bool:
        return task.task_type in self.operations

    def _serves_region(self, task: Task) -> bool:
        return task.region_id is None or self.drivers.find_here(task.region_id) is not None

    def _leave_to_others(self, task: Task) -> None:
        """Claim no task of this kind again."""
        LOG.warning(
            "Tasks are left to other servers",
            extra={"task_id": task.id, "task_type": task.task_type, "region_id": task.region_id},
        )
        if not self._knows_type(task):
            self._others = replace(self._others, task_types=self._others.task_types | {task.task_type})
        elif task.region_id is not None:
            self._others = replace(self._others, region_ids=self._others.region_ids | {task.region_id})
