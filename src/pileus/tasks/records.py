"""Look up the records that a task's arguments name."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from pileus.domain.errors import not_found
from pileus.store.database import Tx

Id = TypeVar("Id", str, int)
R = TypeVar("R")


async def require_record(tx: Tx, find: Callable[[Tx, Id], Awaitable[R | None]], record_id: Id, noun: str) -> R:
    """Return the record. Raises NotFound, with `noun` in the message."""
    record = await find(tx, record_id)
    if record is None:
        raise not_found(noun, record_id)
    return record
