"""Slots that tenants share: how many of their lists are read at the same time.

A tenant that occupies n slots gets another one only while more than n are free. So it gets half of them while it is
alone, and a tenant that comes later finds a free slot at once. When all are occupied, tenants take turns.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pileus.store.loop_turns import SERVER, current_tenant


class TenantSlots:
    """A number of slots; the server itself may occupy all of them."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._occupied: Counter[int] = Counter()
        self._waiting: dict[int, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def occupy(self) -> AsyncIterator[None]:
        """Occupy a slot for the tenant of the current request."""
        client_id = current_tenant()
        if client_id in self._waiting or not self._is_allowed(client_id):
            await self._wait(client_id)
        else:
            self._take(client_id)
        try:
            yield
        finally:
            self._release(client_id)

    def _is_allowed(self, client_id: int) -> bool:
        return self._free > (0 if client_id == SERVER else self._occupied[client_id])

    def _take(self, client_id: int) -> None:
        self._free -= 1
        self._occupied[client_id] += 1

    def _release(self, client_id: int) -> None:
        self._free += 1
        self._occupied[client_id] -= 1
        if not self._occupied[client_id]:
            del self._occupied[client_id]
        self._hand_over()

    async def _wait(self, client_id: int) -> None:
        """Wait until the tenant has been given a slot."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(client_id, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._release(client_id)
            raise

    def _hand_over(self) -> None:
        """Give the free slots to those that wait, one tenant after the other."""
        while (client_id := self._next_tenant()) is not None:
            turns = self._waiting.pop(client_id)
            turn = turns.popleft()
            if turns:
                self._waiting[client_id] = turns
            if not turn.done():
                self._take(client_id)
                turn.set_result(None)

    def _next_tenant(self) -> int | None:
        """Return the tenant that gets the next free slot."""
        return next((client_id for client_id in self._waiting if self._is_allowed(client_id)), None)
