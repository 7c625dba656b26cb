"""Send requests to the cells that answer them, with the key of their caller, and put lists together."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode

import httpx
import msgspec
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from msgspec import Struct

from pileus.api.authentication import wait_until_caches_expire
from pileus.api.cell_connections import CellConnections
from pileus.api.cell_routes import CHANGES_TENANT, DELETED_ELSEWHERE, EVERYWHERE
from pileus.api.errors import CELLS_ELSEWHERE
from pileus.api.forwarded_requests import (
    answer_unless_elsewhere,
    forward_request,
    make_forwarded_headers,
    make_forwarding_client,
    send_error,
    send_forwarded_answer,
)
from pileus.api.paging import LARGEST_LIMIT
from pileus.api.requests import READING, receive_body
from pileus.api.routes import tasks
from pileus.api.routes.account import user_actions
from pileus.api.wire.tasks import TaskIds
from pileus.domain.errors import Conflict, Invalid, Unavailable
from pileus.services.account.projects import check_project_deletable

LOG = logging.getLogger(__name__)
B = TypeVar("B")
DEFAULT_LIMITS = {tasks.ALL: tasks.DEFAULT_LIMIT, user_actions.ALL: user_actions.DEFAULT_LIMIT}
"""By the paths of the lists whose pages are put together."""
MOST_DIGITS = 100
"""Of a limit or an offset; longer ones are wrong, and would take long to read."""
DELETION_SECONDS, LOOK_SECONDS = 30.0, 0.2
"""How long a deletion waits for another cell, and between two looks at its task."""


class CellRequestForwarder:
    """Answers the requests that other cells answer."""

    def __init__(self, app: ASGIApp, connections: CellConnections, body_limit: int) -> None:
        self._app = app
        self._connections = connections
        self._body_limit = body_limit

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer, or the servers of the cells that answer the request.

        After a change of a tenant, the answer waits until no server uses an older copy.
        """
        own_keys: Any = scope

        async def send_when_copied(message: Message) -> None:
            if message["type"] == "http.response.start" and own_keys.pop(CHANGES_TENANT, None):
                await wait_until_caches_expire()
            await send(message)

        receive_again = await answer_unless_elsewhere(CELLS_ELSEWHERE, self._app, scope, receive, send_when_copied)
        if receive_again is not None:
            await self._forward(scope, receive_again, send_when_copied)

    async def _forward(self, scope: Any, receive: Receive, send: Send) -> None:
        numbers = scope.pop(CELLS_ELSEWHERE)
        try:
            body = await receive_body(receive, self._body_limit)
            request = _CellRequest(self._connections, scope, body)
            answer = await request.answer(numbers)
        except Exception as problem:  # noqa: BLE001  # answered and logged as in the application
            await send_error(problem, scope, receive, send)
            return
        LOG.info("Forwarded", extra={"request_id": scope["request_id"], "cells": numbers})
        if answer is None:
            scope[DELETED_ELSEWHERE] = True
            await self._app(scope, receive, send)
        else:
            scope.pop(CHANGES_TENANT, None)
            await send_forwarded_answer(answer, scope["method"], send)


class _CellRequest:
    """One request that other cells answer."""

    def __init__(self, connections: CellConnections, scope: Any, body: bytes) -> None:
        self._connections = connections
        self._addresses = connections.cells.addresses
        self._scope = scope
        self._body = body
        self._path = scope["path"].rstrip("/")

    async def answer(self, numbers: Sequence[int]) -> httpx.Response | None:
        """Return the answer of the cells; None if the application has to do the rest of a deletion."""
        if len(numbers) == 1:
            return await self._ask(numbers[0])
        if self._path in EVERYWHERE:
            return await self._ask_all(numbers)
        if self._scope["method"] in READING:
            return await self._merge(numbers)
        return await self._delete(numbers[:-1])

    def _open_client(self, number: int) -> httpx.AsyncClient:
        """Return the client of all requests to a cell, whose connections stay open."""
        clients = self._connections.clients
        if number not in clients:
            clients[number] = make_forwarding_client()
        client: httpx.AsyncClient = clients[number]
        return client

    async def _ask(self, number: int, **changes: str) -> httpx.Response:
        """Send the request, with another method or query if they are given, to a cell."""
        away = f"Cell {number} does not answer"
        address = self._addresses[number]
        mark = self._connections.marks.make(changes.get("method", self._scope["method"]), self._scope["raw_path"])
        return await forward_request(
            self._open_client(number), self._scope, address, self._body, mark=mark, away=away, **changes
        )

    async def _ask_all(self, numbers: Sequence[int]) -> httpx.Response:
        """Return the first answer that is an error, or else the last one."""
        answers = await asyncio.gather(*map(self._ask, numbers))
        return next((answer for answer in answers if answer.is_error), answers[-1])

    async def _merge(self, numbers: Sequence[int]) -> httpx.Response:
        """Return a page of the lists of all cells together. Their ids are ordered by time."""
        parameters = parse_qsl(self._scope["query_string"].decode("latin-1"), keep_blank_values=True)
        values = dict(parameters)
        window = _parse_window(values, DEFAULT_LIMITS[self._path])
        if window is None:
            return await self._ask(numbers[0])
        limit, offset = window
        others = [pair for pair in parameters if pair[0] not in ("limit", "offset")]
        query = urlencode([*others, ("limit", limit + offset), ("offset", 0)])
        answers = await asyncio.gather(*(self._ask(number, method="GET", query=query) for number in numbers))
        if failed := next((answer for answer in answers if answer.is_error), None):
            return failed
        pages = [_decode(answer, _Page, number) for number, answer in zip(numbers, answers, strict=True)]
        newest_first = "asc" not in (values.get("order_by"), values.get("sorting"))
        results = sorted((row for page in pages for row in page.results), key=_id_of, reverse=newest_first)
        merged = {"count": sum(page.count for page in pages), "results": results[offset : offset + limit]}
        headers = {"content-type": "application/json"}
        return httpx.Response(answers[0].status_code, headers=headers, content=msgspec.json.encode(merged))

    async def _delete(self, numbers: Sequence[int]) -> httpx.Response | None:
        """Delete a project in one cell after the other; return the answer of one that refuses. Raises Conflict.

        Nothing begins if cell 0 would refuse. A cell that has deleted the project answers 404, so that the request can
        be repeated.
        """
        client_id, project_id = self._scope["caller"].client_id, self._scope["path_params"]["project_id"]
        async with self._connections.tenants_db.read() as tx:
            await check_project_deletable(tx, client_id, project_id)
        for number in numbers:
            answer = await self._ask(number)
            if answer.status_code == httpx.codes.OK:
                await self._wait_for_deletion(number, _decode(answer, TaskIds, number).tasks)
            elif answer.status_code != httpx.codes.NOT_FOUND:
                return answer
        return None

    async def _wait_for_deletion(self, number: int, task_ids: Sequence[str]) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + DELETION_SECONDS
        for task_id in task_ids:
            while (task := await self._read_task(number, task_id)).state not in ("FINISHED", "ERROR"):
                if loop.time() > deadline:
                    raise Conflict(f"Cell {number} is deleting the project: repeat the request until it has ended")
                await asyncio.sleep(LOOK_SECONDS)
            if task.state == "ERROR":
                raise Conflict(f"Cell {number} could not delete the project: {task.error}")

    async def _read_task(self, number: int, task_id: str) -> "_Task":
        path = f"/cloud/v1/tasks/{task_id}"
        headers = make_forwarded_headers(self._scope, self._connections.marks.make("GET", path.encode()))
        try:
            answer = await self._open_client(number).get(self._addresses[number] + path, headers=headers)
            answer.raise_for_status()
        except httpx.HTTPError as problem:
            raise Unavailable(f"Cell {number} does not answer: try again later") from problem
        return _decode(answer, _Task, number)


class _Page(Struct):
    """A page of a list of one cell."""

    count: int
    results: list[dict[str, Any]]


class _Task(Struct):
    """A task of another cell."""

    state: str
    error: str | None = None


def _decode(answer: httpx.Response, type_: type[B], number: int) -> B:
    """Return the body of an answer of a cell. Raises Unavailable for that of something else, such as a proxy."""
    try:
        return msgspec.json.decode(answer.content, type=type_)
    except msgspec.DecodeError as problem:
        raise Unavailable(f"Cell {number} does not answer: try again later") from problem


def _id_of(row: dict[str, Any]) -> str:
    return str(row["id"])


def _parse_window(values: dict[str, str], default_limit: int) -> tuple[int, int] | None:
    """Return the limit and the offset of a page; None if they are wrong, as a cell will say. Raises Invalid."""
    texts = values.get("limit", str(default_limit)), values.get("offset", "0")
    if not all(text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS for text in texts):
        return None
    limit, offset = map(int, texts)
    if not 1 <= limit <= LARGEST_LIMIT:
        return None
    if limit + offset > LARGEST_LIMIT:
        raise Invalid(
            f"In a cloud of several cells, limit and offset together are at most {LARGEST_LIMIT}: use filters"
        )
    return limit, offset
