"""Locks: a record that a task holds is nobody else's to change until the task has ended."""

from typing import ClassVar, Self

from msgspec import Struct
from msgspec.structs import replace

from pileus.domain.errors import Conflict


class Lockable(Struct, frozen=True, kw_only=True):
    """A record that a task can hold; `NOUN` is what it is called in messages."""

    NOUN: ClassVar[str]

    id: str
    task_id: str | None = None

    def require_unlocked(self) -> Self:
        """Itself if no task holds it; raises Conflict."""
        if self.task_id is not None:
            raise Conflict(
                f"{self.NOUN} {self.id} is locked by task {self.task_id}: try again when the task has finished"
            )
        return self

    def locked(self, task_id: str) -> Self:
        """Let a task hold it; raises Conflict if one does."""
        return replace(self.require_unlocked(), task_id=task_id)
