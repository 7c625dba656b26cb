"""Start the tasks that make missing resources again and set changed ones again."""

import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from msgspec import Struct, to_builtins
from msgspec.structs import replace

from pileus.domain.tasks import Task, TaskType, queue_name
from pileus.store import tasks
from pileus.store.database import Database, Tx
from pileus.store.resource_revisions import ResourceRecords
from pileus.tasks.clocks import CloudClock

LOG = logging.getLogger(__name__)
FIRST_PAUSE, LONGEST_PAUSE = 60.0, 86400.0
"""Seconds until a resource that is still wrong is repaired again; doubled each time."""
SaveResource = Callable[[Tx, Any, Any], Awaitable[Any]]


class Repair(Struct, frozen=True, kw_only=True):
    """The records of a kind, and what becomes of one that is not as it should be in the cloud.

    `task_type` with `make_args` brings about what the record says. It locks the record unless `is_locked` is False.
    Without a task type, the record is saved with `failed_status`.
    """

    records: ResourceRecords
    save: SaveResource
    task_type: TaskType[Any] | None = None
    make_args: Callable[[str], Struct] | None = None
    is_locked: bool = True
    failed_status: str = ""


@dataclass(slots=True)
class ResourceRepairs:
    """Starts repairs. What fails again and again is repaired at growing intervals."""

    db: Database
    clock: CloudClock
    new_task_id: Callable[[], str]
    nudge: Callable[[], None]
    _pauses: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)

    async def handle(self, repair: Repair, resource_id: str, revision: int, reason: str) -> bool:
        """Repair a resource whose record has this revision; return whether anything was started or saved."""
        now, key = self.clock.system_now() / 1_000_000, (repair.records.table.name, resource_id)
        due, pause = self._pauses.get(key, (0.0, FIRST_PAUSE))
        if now < due or not await self.db.write(partial(self._start, repair, resource_id, revision)):
            return False
        LOG.error(reason, extra={"kind": repair.records.table.name, "resource_id": resource_id})
        self._pauses[key] = (now + pause, min(2 * pause, LONGEST_PAUSE))
        self.nudge()
        return True

    def forget(self, repair: Repair, resource_ids: Iterable[str]) -> None:
        """Begin with short intervals again for resources that are as they should be."""
        for resource_id in resource_ids:
            self._pauses.pop((repair.records.table.name, resource_id), None)

    async def _start(self, repair: Repair, resource_id: str, revision: int, tx: Tx) -> bool:
        """Return whether anything was changed; not if the record has been changed, locked or deleted meanwhile."""
        record = await repair.records.table.find_by_id(tx, resource_id)
        if record is None or record.task_id is not None or record.revision != revision:
            return False
        if repair.task_type is None or repair.make_args is None:
            await repair.save(tx, record, replace(record, status=repair.failed_status))
            return True
        task = self._new_task(repair.task_type, to_builtins(repair.make_args(resource_id)), record)
        if repair.is_locked:
            await repair.save(tx, record, record.locked(task.id))
        await tasks.add(tx, task)
        return True

    def _new_task(self, task_type: TaskType[Any], args: dict[str, Any], record: Any) -> Task:
        """Return a task that no request has started."""
        return Task(
            id=self.new_task_id(),
            task_type=task_type.name,
            client_id=record.client_id,
            user_id=0,
            project_id=record.project_id,
            region_id=record.region_id,
            args=args,
            data=args,
            created_at=self.clock.now(),
            slot_class=task_type.slot_class,
            queue=queue_name(record.client_id, record.region_id),
        )
