"""Locks: a record that a task has locked cannot be changed until the task ends."""

from datetime import UTC, datetime
from typing import ClassVar, Self

from msgspec import Struct
from msgspec.structs import replace

from pileus.domain.errors import Conflict, Locked
from pileus.domain.tasks import Task


class Lockable(Struct, frozen=True, kw_only=True):
    """A record that a task can lock. Messages call it by `NOUN`; each kind of record narrows the type of `id`.

    The error of a locked record names the task, unless `LOCK_NAMES_TASK` is False.
    """

    NOUN: ClassVar[str]
    LOCK_NAMES_TASK: ClassVar[bool] = True

    id: str | int
    task_id: str | None = None

    def require_unlocked(self) -> Self:
        """Return the record. Raises Conflict if a task has locked it."""
        if self.task_id is None:
            return self
        if self.LOCK_NAMES_TASK:
            raise Locked(_lock_text(self.id, f"task `{self.task_id}`"), resource_id=self.id, task_id=self.task_id)
        raise Conflict(f"Resource `{self.id}` is already locked by another task. Please try again later.")

    def locked(self, task_id: str) -> Self:
        """Lock the record for a task. Raises Conflict if a task has locked it."""
        return replace(self.require_unlocked(), task_id=task_id)


def locked_by(problem: Locked, task: Task) -> Locked:
    """Add the type and the time of the task to the error of a locked record."""
    since = datetime.fromtimestamp(task.created_at / 1_000_000, UTC)
    name = f"task `{task.task_type}` with id `{task.id}` ({since:%Y-%m-%d %H:%M:%S.%f})"
    text = _lock_text(problem.resource_id, name)
    return Locked(text, resource_id=problem.resource_id, task_id=problem.task_id)


def _lock_text(resource_id: str | int, task: str) -> str:
    # The public API's text ends with a blank.
    return (
        f"Operation on resource `{resource_id}` currently locked by running {task} to prevent concurrent operations. "
        "Repeat request a little later. "
    )
