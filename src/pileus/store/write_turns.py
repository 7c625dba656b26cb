"""The turn to write to a SQLite file: processes get it one after the other, and the kernel wakes the next one.

SQLite itself lets a process look again and again, after ever longer pauses, whether another one has finished. Here a
process waits for the lock of a file instead. The kernel gives a released lock to any process that asks for it, so a
process under constant load would keep it. A second lock prevents this: the process that waits for the turn has the
place behind the current one, and a process needs this place before it can have the turn again. The kernel releases
both locks when a process dies.
"""

import asyncio
import os
from fcntl import LOCK_EX, LOCK_NB, LOCK_UN, flock
from pathlib import Path

from pileus.domain.errors import Unavailable
from pileus.store.serial_executor import SerialExecutor

LONGEST_WAIT = 10.0
"""Seconds until a write is refused because other processes do not finish theirs."""
STUCK = "Another process does not finish its change of the database: try again"


class WriteTurn:
    """The turn of this process at a database file. One task uses it; it waits in a thread, not on the event loop."""

    def __init__(self, database: Path, thread: SerialExecutor) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self._turn, self._next_place = (os.open(f"{database}.{name}", flags, 0o600) for name in ("turn", "next"))
        self._thread = thread
        self._waiting: asyncio.Future[None] | None = None
        self._is_taken = self._is_abandoned = self._is_closed = False

    async def take(self) -> None:
        """Wait for the turn, behind the process that waits already. Raises Unavailable after `LONGEST_WAIT`."""
        if self._waiting is None:
            if self._try_take():
                self._is_taken = True
                return
            self._waiting = self._thread.start(_block_until_taken, os.dup(self._turn), os.dup(self._next_place))
            self._waiting.add_done_callback(self._end_waiting)
        self._is_abandoned = False
        done, _ = await asyncio.wait((self._waiting,), timeout=LONGEST_WAIT)
        if not done:
            # The thread still waits: the next `take` uses it, or the turn is given back when it comes.
            self._is_abandoned = True
            raise Unavailable(STUCK)
        done.pop().result()
        self._is_taken = True

    def release(self) -> None:
        """Give the turn to the process that waits for it, if any; do nothing without the turn. In any thread."""
        if self._is_taken:
            self._is_taken = False
            flock(self._turn, LOCK_UN)

    def close(self) -> None:
        """Close the files, which also releases their locks, if need be when the thread has ended its wait."""
        self._is_closed = True
        os.close(self._turn)
        os.close(self._next_place)

    def _try_take(self) -> bool:
        """Take the turn if no process has it or waits for it."""
        try:
            flock(self._next_place, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            return False
        try:
            flock(self._turn, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            flock(self._next_place, LOCK_UN)
        return True

    def _end_waiting(self, _: asyncio.Future[None]) -> None:
        self._waiting = None
        if self._is_abandoned and not self._is_closed:
            flock(self._turn, LOCK_UN)


def _block_until_taken(turn: int, next_place: int) -> None:
    """Wait for the turn, by descriptors of its own: the numbers of closed ones soon belong to other files."""
    try:
        flock(next_place, LOCK_EX)
        try:
            flock(turn, LOCK_EX)
        finally:
            flock(next_place, LOCK_UN)
    finally:
        os.close(turn)
        os.close(next_place)
