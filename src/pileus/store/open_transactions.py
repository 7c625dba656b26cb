"""Work that is part of a transaction which is open already: its reads and writes join the transaction.

Such work may not wait for anything, because nobody else can write meanwhile, and it may not take long. Otherwise it is
stopped, and nothing of it remains. Nothing remains of work with a write that fails either, whether or not the work goes
on: its writes have no savepoints of their own. Only SQLite has such transactions: the statements of PostgreSQL always
wait.
"""

import time
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pileus.store.database import Tx, Work
from pileus.store.sqlite_transactions import DirectTx

T = TypeVar("T")
Joining = Callable[[], Coroutine[Any, Any, T]]
LONGEST_SECONDS = 0.02
"""The CPU time after which work may neither read nor write any more."""


class WouldWaitError(Exception):
    """The work would wait, takes too long, or has gone on after a failed write, while a transaction is open."""


@dataclass(slots=True)
class OpenTransaction:
    """A transaction that the current work has joined, and how long the work may use it."""

    tx: DirectTx
    has_ended: bool = False
    has_failed: bool = False
    kept: dict[str, Any] = field(default_factory=dict)
    """What `read_once_joined` has read, by the name that its reader has given it."""
    _deadline: float = field(init=False)
    _cpu_deadline: float = field(init=False)

    def __post_init__(self) -> None:
        self._deadline, self._cpu_deadline = time.monotonic() + LONGEST_SECONDS, time.thread_time() + LONGEST_SECONDS

    def require_tx(self) -> DirectTx:
        """Return the transaction. Raises WouldWaitError if the work takes too long or a write of it has failed."""
        if self.has_ended or self.has_failed or self._is_late():
            raise WouldWaitError
        return self.tx

    async def write(self, work: Work[T]) -> T:
        """Write as a part of the transaction. If this fails, the whole work has failed."""
        tx, is_done = self.require_tx(), False
        try:
            result = await work(tx)
            is_done = True
        finally:
            self.has_failed = self.has_failed or not is_done
        return result

    def _is_late(self) -> bool:
        # A look at the CPU time takes microseconds, one at the clock does not.
        return time.monotonic() > self._deadline and time.thread_time() > self._cpu_deadline


JOINED: ContextVar[OpenTransaction | None] = ContextVar("joined_transaction", default=None)
"""The transaction that the current work has joined."""


def has_joined() -> bool:
    """Return whether the caller has joined a transaction: that of its claim, or of the request that starts it."""
    return JOINED.get() is not None


async def read_once_joined(name: str, read: Callable[[], Awaitable[T]]) -> T:
    """Return what `read` reads; work that has joined a transaction reads it once, and does not see its own changes.

    Nobody else can change it meanwhile.
    """
    joined = JOINED.get()
    if joined is None:
        return await read()
    if name not in joined.kept:
        joined.kept[name] = await read()
    result: T = joined.kept[name]
    return result


def check_may_wait() -> None:
    """Raise WouldWaitError if the caller has joined a transaction: call this before anything that starts to wait."""
    if has_joined():
        raise WouldWaitError


async def run_joined(tx: Tx, work: Joining[T]) -> T:
    """Run work as a part of a transaction. If this raises WouldWaitError, or what the work raises, nothing remains."""
    if not isinstance(tx, DirectTx):
        raise WouldWaitError

    async def run(part: DirectTx) -> T:
        return _run_without_waiting(work(), OpenTransaction(part))

    return await tx.attempt(run)


def _run_without_waiting(coroutine: Coroutine[Any, Any, T], joined: OpenTransaction) -> T:
    # A context of its own: what the work sets does not last, and what it starts cannot use the transaction later.
    context = copy_context()
    context.run(JOINED.set, joined)
    try:
        context.run(coroutine.send, None)
    except StopIteration as end:
        if joined.has_failed:
            raise WouldWaitError from None
        result: T = end.value
        return result
    finally:
        context.run(coroutine.close)
        joined.has_ended = True
    raise WouldWaitError
