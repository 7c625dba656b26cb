"""Lookups on PostgreSQL: those that begin in the same turn of the event loop share a connection and a round trip."""

import asyncio
from typing import Any

from pileus.domain.errors import Unavailable
from pileus.store.postgres_connections import ConnectionLostError, PostgresConnections
from pileus.store.postgres_pipeline import Answer, Statement

MOST_TOGETHER = 64
"""Lookups that share a round trip."""

Waiting = tuple[Statement, "asyncio.Future[Answer]"]


class Lookups:
    """Collects statements that read, and sends them together; they need no common transaction."""

    def __init__(self, connections: PostgresConnections) -> None:
        self._connections = connections
        self._unsent: list[Waiting] = []
        self._sending: set[asyncio.Task[None]] = set()

    async def execute(self, sql: str, values: dict[str, Any]) -> Answer:
        """Execute a statement. Raises ConnectionLostError if its connection breaks: it can be repeated then."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        self._unsent.append((Statement(sql, values), answer))
        if len(self._unsent) == 1:
            loop.call_soon(self._send_all)
        return await answer

    def _send_all(self) -> None:
        unsent, self._unsent = self._unsent, []
        for start in range(0, len(unsent), MOST_TOGETHER):
            sending = asyncio.create_task(self._send(unsent[start : start + MOST_TOGETHER]))
            self._sending.add(sending)
            sending.add_done_callback(self._sending.discard)

    async def _send(self, waiting: list[Waiting]) -> None:
        outcomes: list[Answer | Exception] = [ConnectionLostError()] * len(waiting)
        try:
            pooled = await self._connections.acquire()
            try:
                outcomes = await pooled.execute_each([statement for statement, _ in waiting])
            finally:
                self._connections.release(pooled)
        except (ConnectionLostError, Unavailable) as error:
            outcomes = [error] * len(waiting)
        finally:
            for (_, answer), outcome in zip(waiting, outcomes, strict=True):
                _resolve(answer, outcome)


def _resolve(answer: "asyncio.Future[Answer]", outcome: Answer | Exception) -> None:
    """Tell who waits; a request that has ended meanwhile waits no more."""
    if answer.done():
        return
    if isinstance(outcome, Exception):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)
