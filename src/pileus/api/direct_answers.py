"""Answer plain requests whose body has arrived: the HTTP server gets head and body, and writes them.

The application's usual way has a layer for each concern, and messages that each layer and the HTTP server look at.
Requests that are unusual in any way go there.
`tests/api/test_dispatcher.py` compares both ways.
"""

import re
import time
from typing import Any

from litestar import Litestar, Response
from litestar.types import ASGIApp

from pileus.api.authorization import make_request_context
from pileus.api.context import AppState
from pileus.api.dispatcher import DirectRoute, DirectRoutes, call_handler
from pileus.api.errors import make_error_response
from pileus.api.middleware import RequestObserver
from pileus.api.request_log.exchanges import Recorder
from pileus.api.requests import BodyDecodingRequest, check_body_size
from pileus.api.responses import FormattedAnswer, encode_json, format_json_answer

CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class DirectAnswers:
    """Answers the requests of an application that no other server has a part in."""

    def __init__(self, app: Litestar, state: AppState, observer: RequestObserver) -> None:
        self._app, self._state, self._observer = app, state, observer
        self._find_route = DirectRoutes(state.operations).find
        self._has_legacy_fields = bool(app.state.legacy_fields)

    def find_route(self, scope: Any) -> DirectRoute | None:
        """Return the route of a request that `answer` answers; None if the application has to answer it."""
        return None if self._state.http_faults.active else self._find_route(scope)

    async def answer(self, route: DirectRoute, scope: Any, body: bytes) -> FormattedAnswer:
        """Answer a request with its whole body, count it and log it."""
        started, observer = time.perf_counter(), self._observer
        scope["request_id"] = observer.new_id()
        status = 500
        try:
            answer = await self._answer(route, scope, body)
            status = answer.status
            if log := self._state.request_log:
                request_body = b"" if route.body_type is None else body
                Recorder(log.log, scope).end_with(status, answer.body, started, request_body)
        finally:
            observer.observe(scope, status, time.perf_counter() - started)
        return answer

    async def _answer(self, route: DirectRoute, scope: Any, body: bytes) -> FormattedAnswer:
        try:
            ctx = await make_request_context(self._state, route.access, scope)
            if route.body_type is not None:
                check_body_size(body, route.body_limit)
            result = await call_handler(route, ctx, scope["path_params"], body)
            if not isinstance(result, Response):
                content = encode_json(result, legacy_fields=self._has_legacy_fields)
                return format_json_answer(route.status, content, scope["request_id"])
            response = await route.handler.to_response(self._app, result, _request(scope))
        except Exception as error:  # noqa: BLE001  # this is an outermost handler, like the framework's
            response = make_error_response(_request(scope), error)
        return await format_response(response, scope)


def _request(scope: Any) -> BodyDecodingRequest:
    return BodyDecodingRequest(scope, _receive_nothing, _send_nothing)


async def _receive_nothing() -> Any:
    return {"type": "http.disconnect"}


async def _send_nothing(_: Any) -> None:
    """Send nothing: the answer is returned."""


async def format_response(response: ASGIApp, scope: Any) -> FormattedAnswer:
    """Format the answer that a response sends. Raises ValueError if a header contains control characters."""
    messages: list[Any] = []

    async def keep(message: Any) -> None:
        messages.append(message)

    await response(scope, _receive_nothing, keep)
    start, *parts = messages
    encoded_id = scope["request_id"].encode()
    headers = [*start["headers"], (b"request_id", encoded_id), (b"x-request-id", encoded_id)]
    if any(CONTROL.search(text) for header in headers for text in header):
        raise ValueError("A header contains control characters")
    fields = b"".join([b"%b: %b\r\n" % header for header in headers])
    return FormattedAnswer(start["status"], fields, b"".join([part.get("body", b"") for part in parts]))
