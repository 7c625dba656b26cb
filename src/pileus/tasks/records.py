"""What a task is about: the records that its arguments name."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from pileus.domain.errors import not_found
from pileus.store.database import Tx
from pileus.tasks.operation import TaskContext

R = TypeVar("R")


async def record_of_task(
    tx: Tx, work: TaskContext, argument: str, noun: str, find: Callable[[Tx, Any], Awaitable[R | None]]
) -> R:
    """The record whose id is an argument of the task; raises NotFound."""
    identity = work.task.args[argument]
    found = await find(tx, identity)
    if found is None:
        raise not_found(noun, identity)
    return found
