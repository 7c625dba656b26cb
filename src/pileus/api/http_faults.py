"""Let requests meet the faults of HTTP that operators have injected.

The faults are controls: each process keeps them in memory, and a request without any pays for one look at `active`.
A request that a fault selects is counted in the database, where all processes count, before anything else happens.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any

import msgspec
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from pileus.api.authentication import Authenticator
from pileus.api.errors import exception_class_of
from pileus.api.lost_answers import CutAnswer, discard_answer, drop_connection
from pileus.api.operations import ApiOperation, OperationIndex, can_match
from pileus.domain.errors import Problem, Unavailable
from pileus.domain.http_faults import MAX_DELAY_SECONDS, HttpFault, HttpFaultKind
from pileus.services.http_faults import claim_http_faults
from pileus.store import http_faults
from pileus.store.database import Database, Tx


@dataclass(slots=True)
class KnownFault:
    """A fault in memory: the operations that it selects, and an event that ends the delays of its requests."""

    fault: HttpFault
    operations: frozenset[ApiOperation]
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def selects(self, operation: ApiOperation, path: str, client_id: int | None) -> bool:
        """Return whether the fault is for a request."""
        fault = self.fault
        return (
            operation in self.operations
            and fault.client_id in (None, client_id)
            and (fault.path is None or can_match(fault.path, path))
            and (fault.project_id is None or operation.project_id_in(path) == fault.project_id)
        )


class HttpFaults:
    """The faults of this process. `operations` is set when the application has its routes."""

    def __init__(self, db: Database, authenticator: Authenticator, now: Callable[[], int]) -> None:
        self.active: dict[str, KnownFault] = {}
        """Those that may hit a request; `_known` also has those that are used up, whose requests may still wait."""
        self._known: dict[str, KnownFault] = {}
        self.operations = OperationIndex()
        self._db = db
        self._authenticator = authenticator
        self._now = now
        self._is_stopped = False

    async def read(self, tx: Tx) -> None:
        """Read the faults, and end the delays of those that were deleted; a reader of `Controls`."""
        before, faults = self._known, await http_faults.list_all(tx)
        self._known = {fault.id: before.get(fault.id) or self._learn(fault) for fault in faults}
        self.active = {fault.id: self._known[fault.id] for fault in faults if not fault.is_used_up}
        for fault_id in before.keys() - self._known.keys():
            before[fault_id].released.set()

    def _learn(self, fault: HttpFault) -> KnownFault:
        return KnownFault(fault, self.operations.select(fault.operation, fault.method, fault.path))

    def stop(self) -> None:
        """End all delays; later requests are not delayed."""
        self._is_stopped = True
        for known in self._known.values():
            known.released.set()

    async def answer(self, app: ASGIApp, scope: Any, receive: Receive, send: Send) -> bool:
        """Answer a request as the faults say that hit it; return whether the client has got a complete answer."""
        ending: HttpFault | None = None
        remaining = MAX_DELAY_SECONDS
        for fault, released in await self._claim(scope):
            if fault.kind == HttpFaultKind.DELAY:
                seconds = min(fault.delay(), remaining)
                remaining -= seconds
                await self._pause(released, seconds)
            else:
                ending = fault
        return await _end_request(ending, app, scope, receive, send)

    async def _claim(self, scope: Scope) -> list[tuple[HttpFault, asyncio.Event]]:
        """Count the request with the faults that select it, and return those that hit it."""
        selecting = await self._select(scope)
        if not selecting:
            return []
        try:
            hits, useless = await self._db.write(partial(claim_http_faults, fault_ids=list(selecting)))
        except Problem:
            # The database is away, and the operation will answer so.
            return []
        self.active = {fault_id: known for fault_id, known in self.active.items() if fault_id not in useless}
        return [(fault, selecting[fault.id].released) for fault in hits]

    async def _select(self, scope: Any) -> dict[str, KnownFault]:
        operation = self.operations.find_public(scope["method"], scope["path"])
        if operation is None:
            return {}
        # For metrics, also of requests that do not reach their operation.
        scope["path_template"], scope["route_handler"] = operation.template, operation.handler
        has_client = any(known.fault.client_id is not None for known in self.active.values())
        client_id = await self._find_client_id(scope) if has_client else None
        return {
            fault_id: known
            for fault_id, known in self.active.items()
            if known.selects(operation, scope["path"], client_id)
        }

    async def _find_client_id(self, scope: Any) -> int | None:
        """Return the tenant of the request's key, or None if the key is not valid or the database is away."""
        header = dict(scope["headers"]).get(b"authorization", b"")
        try:
            caller = await self._authenticator.find_caller(header, self._now())
        except Unavailable:
            return None
        return None if caller is None else caller.client_id

    async def _pause(self, released: asyncio.Event, seconds: float) -> None:
        if not self._is_stopped:
            with suppress(TimeoutError):
                await asyncio.wait_for(released.wait(), seconds)


async def _end_request(fault: HttpFault | None, app: ASGIApp, scope: Any, receive: Receive, send: Send) -> bool:
    """Answer a request after its delays, as the fault says that ends it; return whether it gets a complete answer."""
    if fault is None:
        await app(scope, receive, send)
        return True
    if fault.kind == HttpFaultKind.RESPOND:
        await _respond(fault, scope, send)
        return True
    if fault.kind == HttpFaultKind.TRUNCATE:
        await app(scope, receive, CutAnswer(scope, send).send)
    elif fault.kind == HttpFaultKind.LOSE_ANSWER:
        await app(scope, receive, discard_answer)
    await drop_connection(scope, receive, has_answer=fault.kind == HttpFaultKind.TRUNCATE)
    return False


async def _respond(fault: HttpFault, scope: Any, send: Send) -> None:
    """Answer with the status and the message of a fault, in the shape of all errors."""
    status = HTTPStatus(fault.status or HTTPStatus.INTERNAL_SERVER_ERROR)
    body = msgspec.json.encode(
        {
            "exception_class": exception_class_of(status),
            "message": fault.message or f"{status.value} {status.phrase}, by an injected fault",
            "request_id": scope["request_id"],
        }
    )
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if fault.retry_after is not None:
        headers.append((b"retry-after", b"%d" % fault.retry_after))
    start: Message = {"type": "http.response.start", "status": status.value, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": body, "more_body": False})
