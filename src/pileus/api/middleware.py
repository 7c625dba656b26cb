"""Give each request an id, count it for Prometheus and log it; answer HEAD as GET."""

import asyncio
import logging
import os
import time
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from litestar.enums import HttpMethod, ScopeType
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp, Message, Receive, ReceiveMessage, Scope, Send
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from pileus.api.operations import operation_id_of

if TYPE_CHECKING:
    from pileus.api.http_faults import HttpFaults

LOG = logging.getLogger("pileus.requests")
UNKNOWN = "(none)"
NO_ANSWER = 0
"""The status of a request whose connection a fault has closed, in metrics and logs."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""All other methods are counted as one, because a client can invent any number of them."""


class ServerMetrics:
    """The metrics of `/metrics` that the server processes count."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.requests = Counter(
            "pileus_requests_total", "Requests answered.", ("method", "route", "operation", "status"), registry=registry
        )
        self.seconds = Histogram(
            "pileus_request_seconds",
            "Seconds from a request to its answer.",
            ("method",),
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
            registry=registry,
        )
        self.commits = Counter("pileus_commits_total", "Commits to the database.", registry=registry)
        self.commit_seconds = Histogram(
            "pileus_commit_seconds",
            "Seconds of a commit, with the writes that it carries.",
            buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 1),
            registry=registry,
        )
        self.commit_writes = Histogram(
            "pileus_commit_writes",
            "Writes that share a commit.",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128),
            registry=registry,
        )
        self.tasks = Counter("pileus_tasks_total", "Tasks ended.", ("task_type", "state"), registry=registry)
        self.task_seconds = Histogram(
            "pileus_task_duration_seconds",
            "Seconds from the creation of a task to its end.",
            ("task_type",),
            buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200),
            registry=registry,
        )

    def count_task(self, task_type: str, state: str, seconds: float) -> None:
        """Count a task that has ended in a state, so many seconds after its creation."""
        self.tasks.labels(task_type, state).inc()
        self.task_seconds.labels(task_type).observe(seconds)

    def count_commit(self, write_count: int, seconds: float) -> None:
        """Count a commit of so many writes."""
        self.commits.inc()
        self.commit_seconds.observe(seconds)
        self.commit_writes.observe(write_count)

    def format_for_prometheus(self) -> bytes:
        """Format the metrics of this process for Prometheus; with several, those of all processes together."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self.registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the library has no types
        return generate_latest(registry)


class RequestObserver:
    """Gives requests their ids, counts them for Prometheus and logs them."""

    def __init__(self, metrics: ServerMetrics) -> None:
        self.new_id = _make_request_ids().__next__
        self._metrics = metrics
        self._counters: dict[tuple[str, str, int], Any] = {}

    def observe(self, scope: Any, status: int, seconds: float) -> None:
        """Count an answered request, and log it."""
        method = scope["method"] if scope["method"] in METHODS else UNKNOWN
        key = (method, scope.get("path_template") or UNKNOWN, status)
        if (counters := self._counters.get(key)) is None:
            labels = (*key[:2], _operation_id(scope), str(status))
            counters = (self._metrics.requests.labels(*labels), self._metrics.seconds.labels(method))
            self._counters[key] = counters
        counters[0].inc()
        counters[1].observe(seconds)
        if LOG.isEnabledFor(logging.INFO):
            _log_request(scope, status, seconds)


def instrument_requests(app: ASGIApp, observer: RequestObserver, http_faults: "HttpFaults | None" = None) -> ASGIApp:
    """Wrap the application: give each request an id, return it in headers, count the request and log it.

    Between this and the application, requests meet the faults of HTTP.
    """
    clock = time.perf_counter

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        started, request_id = clock(), observer.new_id()
        scope["request_id"] = request_id  # type: ignore[typeddict-unknown-key]  # our own key
        encoded_id = request_id.encode()
        id_headers = ((b"request_id", encoded_id), (b"x-request-id", encoded_id))
        status = 500

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *id_headers]
            await send(message)

        try:
            if http_faults is None or not http_faults.active:
                await app(scope, receive, send_with_id)
            elif not await http_faults.answer(app, scope, receive, send_with_id):
                status = NO_ANSWER
        finally:
            observer.observe(scope, status, clock() - started)

    return handle


def _operation_id(scope: Any) -> str:
    """Return the id of the operation in the OpenAPI document, or the name of a handler that is not in it.

    An unknown path and a wrong method have no handler.
    """
    handler = scope.get("route_handler")
    return operation_id_of(handler) or handler.handler_name if isinstance(handler, HTTPRouteHandler) else UNKNOWN


def _make_request_ids() -> Iterator[str]:
    """Yield random ids; random bytes for many ids take hardly longer than for one."""
    while True:
        random_bytes = os.urandom(16 * 256)
        for start in range(0, len(random_bytes), 16):
            yield random_bytes[start : start + 16].hex()


def answer_head_as_get(app: ASGIApp) -> ASGIApp:
    """Wrap the application: answer HEAD as GET without the body, and name HEAD in `Allow` beside GET (RFC 9110, 9.3.2).

    The application sees a GET, so that access checks, status and headers are the same. Other methods pass untouched.
    """

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or scope["method"] not in ("HEAD", "OPTIONS"):
            await app(scope, receive, send)
            return
        method, has_ended = scope["method"], asyncio.Event()

        async def send_for_method(message: Message) -> None:
            # The HTTP server sends a body or none by the method in the scope, which it shares with us.
            scope["method"] = method
            if message["type"] == "http.response.body" and method == "HEAD":
                if has_ended.is_set():
                    return
                has_ended.set()
                message = {"type": "http.response.body", "body": b"", "more_body": False}
            elif message["type"] == "http.response.start":
                message["headers"] = [_with_head(name, value) for name, value in message["headers"]]
            await send(message)

        if method == "HEAD":
            scope["method"] = HttpMethod.GET
        try:
            await app(scope, partial(_receive_until, receive, has_ended), send_for_method)
        finally:
            # Metrics and logs name the method of the request.
            scope["method"] = method

    return handle


async def _receive_until(receive: Receive, has_ended: asyncio.Event) -> ReceiveMessage:
    """Receive a message, or say that the client has gone once the answer has ended: a stream then ends as well."""
    receiving, ending = asyncio.ensure_future(receive()), asyncio.ensure_future(has_ended.wait())
    try:
        await asyncio.wait((receiving, ending), return_when=asyncio.FIRST_COMPLETED)
        return receiving.result() if receiving.done() else {"type": "http.disconnect"}
    finally:
        receiving.cancel()
        ending.cancel()


def allowed_methods_with_head(value: str) -> str:
    """Return a value of `Allow` in which HEAD stands beside GET."""
    methods = value.split(", ")
    return value if "GET" not in methods or "HEAD" in methods else ", ".join(sorted({*methods, "HEAD"}))


def _with_head(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    if name.lower() != b"allow":
        return name, value
    return name, allowed_methods_with_head(value.decode()).encode()


def _log_request(scope: Any, status: int, seconds: float) -> None:
    LOG.info(
        "request",
        extra={
            "request_id": scope["request_id"],
            "method": scope["method"],
            "path": scope["path"],
            "client": scope["client"][0] if scope.get("client") else "",
            "status": status,
            "milliseconds": round(seconds * 1000, 2),
        },
    )
