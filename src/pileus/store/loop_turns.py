"""Turns on the event loop: long work of a request is done in slices, and tenants take turns with them.

A request that takes long on the event loop (a page of a thousand resources, a body of a megabyte) does a slice of its
work, then waits for its next turn. One slice runs in each iteration of the loop, so that a request that takes no turns
waits for one slice, however many of the others there are. Tenants with waiting requests take turns, and so do the
requests of a tenant.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")
SLICE_SECONDS = 0.001
"""A slice ends when it has taken so long."""
ITEMS_PER_LOOK = 16
"""Items between two looks at the clock, and the most that are built without a turn."""
MANY_ITEMS = 50
"""The decoding or encoding of more items at once gets a turn of its own."""
SERVER = 0
"""Stands for the server itself in place of a tenant."""


class LoopTurns:
    """Gives one turn in each iteration of an event loop."""

    def __init__(self) -> None:
        self._waiting: dict[int, deque[asyncio.Future[None]]] = {}
        self._is_running = False

    async def wait(self, client_id: int) -> None:
        """Wait for the next turn of a tenant. The turn ends when the caller waits for anything."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.setdefault(client_id, deque()).append(turn)
        if not self._is_running:
            self._is_running = True
            loop.call_soon(self._give)
        await turn

    def _give(self) -> None:
        """Give the next turn, and the one after it in the iteration that follows it."""
        if not self._waiting:
            self._is_running = False
            return
        client_id = next(iter(self._waiting))
        turns = self._waiting.pop(client_id)
        turn = turns.popleft()
        if turns:
            self._waiting[client_id] = turns
        if not turn.done():
            turn.set_result(None)
        # The slice runs in the next iteration, what has arrived during it in the one after that.
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, self._give)


_REQUEST: ContextVar[tuple[LoopTurns, int] | None] = ContextVar("request_turns", default=None)


def set_tenant(turns: LoopTurns, client_id: int) -> None:
    """Note whose request the current task is."""
    _REQUEST.set((turns, client_id))


def current_tenant() -> int:
    """Return the tenant whose request the current task is, or SERVER."""
    request = _REQUEST.get()
    return SERVER if request is None else request[1]


async def take_turn() -> None:
    """Wait for the next turn of the current request; work of the server itself only lets others run."""
    request = _REQUEST.get()
    if request is None:
        await asyncio.sleep(0)
    else:
        await request[0].wait(request[1])


async def take_turn_for(item_count: int) -> None:
    """Wait for the next turn if what follows handles many items at once."""
    if item_count > MANY_ITEMS:
        await take_turn()


async def build_in_turns(items: Iterable[T]) -> list[T]:
    """Return the items as a list. `items` computes each one when it is asked for it; if they take long, in turns."""
    built: list[T] = []
    await call_in_turns(built.append, items)
    return built


async def call_in_turns(function: Callable[[T], object], items: Iterable[T]) -> None:
    """Call a function with each item; if that takes long, in turns."""
    count, slice_end = 0, 0.0
    for item in items:
        function(item)
        count += 1
        if not count % ITEMS_PER_LOOK and time.perf_counter() > slice_end:
            await take_turn()
            slice_end = time.perf_counter() + SLICE_SECONDS
    await take_turn_for(count)
