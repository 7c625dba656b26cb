"""Locks: a record that a task has locked cannot be changed until the task ends."""

from typing import ClassVar, Self

from msgspec import Struct
from msgspec.structs import replace

from pileus.domain.errors import Conflict


class Lockable(Struct, frozen=True, kw_only=True):
    """A record that a task can lock. Messages call it by `NOUN`; each kind of record narrows the type of `id`."""

    NOUN: ClassVar[str]

    id: str | int
    task_id: str | None = None

    def require_unlocked(self) -> Self:
        """Return the record. Raises Conflict if a task has locked it."""
        if self.task_id is not None:
            raise Conflict(
                f"{self.NOUN} {self.id} is locked by task {self.task_id}: try again when the task has finished"
            )
        return self

    def locked(self, task_id: str) -> Self:
        """Lock the record for a task. Raises Conflict if a task has locked it."""
        return replace(self.require_unlocked(), task_id=task_id)
