"""Answer requests at once, where the HTTP server has read them, if their answers are kept in memory.

SQLite tells at once whether a kept answer is current. The HTTP server starts a task for each other request, which takes
longer than all that such an answer needs. On PostgreSQL this lookup waits, so the task makes it, before the application
runs. All that is unusual is left to the application: then nothing has happened yet.
`tests/api/test_immediate_answers.py` compares both ways.
"""

import time
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from pileus.api.authorization import admit_caller, check_cell, has_token, place_of
from pileus.api.context import AppState
from pileus.api.dispatcher import LOOKUP_PROBLEM, DirectRoute, DirectRoutes
from pileus.api.middleware import RequestObserver
from pileus.api.operations import KEPT
from pileus.api.request_log.exchanges import Recorder
from pileus.domain.errors import Problem

FindKept = Callable[..., Coroutine[Any, Any, bytes | None]]
"""Finds a kept answer, given the AppState, the place and the other arguments of the handler. May raise a Problem."""
FIELDS = (
    b"content-type: application/json\r\ncontent-length: %d\r\n"
    b"request_id: %b\r\nx-request-id: %b\r\n"
)  # fmt: skip


class ImmediateAnswer(NamedTuple):
    """The answer to a request; `fields` are the lines of its header."""

    status: int
    fields: bytes
    body: bytes


AnswerImmediately = Callable[[Any], ImmediateAnswer | None]
"""Answers a GET without a body or a query, given by its scope; returns None if the application has to answer it."""
FindAnswer = Callable[[Any], Coroutine[Any, Any, ImmediateAnswer | None]]
"""Does the same where lookups wait."""


class ImmediateAnswers:
    """Answers the requests of an application whose answers are kept."""

    def __init__(self, state: AppState, observer: RequestObserver) -> None:
        self._state = state
        self._find_route = DirectRoutes(state.operations, only_kept=True).find
        self._observer = observer

    def find_at_once(self, scope: Any) -> ImmediateAnswer | None:
        """Return the kept answer to a GET without a body or a query, or None also if its lookup would wait."""
        return _run_at_once(self.find(scope))

    async def find(self, scope: Any) -> ImmediateAnswer | None:
        """Return the kept answer to a GET without a body or a query, or None if the application has to answer it."""
        state = self._state
        if state.http_faults.active or (route := self._find_route(scope)) is None:
            return None
        started = time.perf_counter()
        body = await self._find_body(route, scope)
        if body is None:
            return None
        request_id = scope["request_id"] = self._observer.new_id()
        self._observer.observe(scope, route.status, time.perf_counter() - started)
        if state.request_log:
            Recorder(state.request_log.log, scope).end_with(route.status, body, started)
        encoded_id = request_id.encode()
        return ImmediateAnswer(route.status, FIELDS % (len(body), encoded_id, encoded_id), body)

    async def _find_body(self, route: DirectRoute, scope: Any) -> bytes | None:
        """Return the kept answer, if its request is admitted."""
        state, params = self._state, scope["path_params"]
        authorization = dict(scope["headers"]).get(b"authorization", b"")
        caller = state.authenticator.find_cached(authorization, state.now())
        # A request that will be refused reads nothing.
        if caller is None or not has_token(state, caller):
            return None
        find_kept: FindKept = route.handler.opt[KEPT]
        arguments = [params[name] for name in route.arguments]
        try:
            body = await find_kept(state, place_of(caller, params), *arguments)
        except Exception as error:  # noqa: BLE001  # the application meets the same error, and answers and logs it
            if isinstance(error, Problem):
                # The application raises it in its place: a database that does not answer is not asked twice.
                scope[LOOKUP_PROBLEM] = error
            return None
        try:
            if body is not None:
                # There are answers for valid ids in their canonical form only.
                admit_caller(state, route.access, caller, scope)
                check_cell(state, scope, params)
        except Exception:  # noqa: BLE001  # alike
            return None
        return body


def _run_at_once(coroutine: Coroutine[Any, Any, ImmediateAnswer | None]) -> ImmediateAnswer | None:
    """Return what a coroutine returns, or None if it would wait."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        answer: ImmediateAnswer | None = end.value
        return answer
    coroutine.close()
    return None
