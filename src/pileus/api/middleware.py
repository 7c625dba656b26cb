"""What an operator sees of requests: ids, figures for Prometheus, and a line of the log each."""

import logging
import os
import time
from collections.abc import Callable
from typing import Any

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

LOG = logging.getLogger("pileus.requests")
NONE = "(none)"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Others are counted as one: a client could make up any number of them."""


class HttpMetrics:
    """The figures that `/metrics` shows."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.requests = Counter(
            "pileus_requests_total", "Requests answered.", ("method", "route", "status"), registry=registry
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

    def committed(self, writes: int, seconds: float) -> None:
        """Count a commit."""
        self.commits.inc()
        self.commit_seconds.observe(seconds)
        self.commit_writes.observe(writes)

    def exposition(self) -> bytes:
        """All of it as Prometheus reads it: where several processes count together, what all of them have counted."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self.registry)
        together = CollectorRegistry()
        MultiProcessCollector(together)  # type: ignore[no-untyped-call]  # the library says nothing of types
        return generate_latest(together)


def observe(app: ASGIApp, figures: HttpMetrics, clock: Callable[[], float] = time.perf_counter) -> ASGIApp:
    """Give each request an id, answer with it, count it and log it."""
    children: dict[tuple[str, str, int], Any] = {}

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        began, request_id = clock(), os.urandom(16).hex()
        scope["request_id"] = request_id  # type: ignore[typeddict-unknown-key]  # our own key
        mark = (b"x-request-id", request_id.encode())
        status = 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], mark]
            await send(message)

        try:
            await app(scope, receive, sending)
        finally:
            seconds = clock() - began
            method = scope["method"] if scope["method"] in METHODS else NONE
            key = (method, scope.get("path_template") or NONE, status)
            if (child := children.get(key)) is None:
                child = children[key] = (figures.requests.labels(*map(str, key)), figures.seconds.labels(key[0]))
            child[0].inc()
            child[1].observe(seconds)
            if LOG.isEnabledFor(logging.INFO):
                _log(scope, request_id, status, seconds)

    return handle


def _log(scope: Any, request_id: str, status: int, seconds: float) -> None:
    LOG.info(
        "request",
        extra={
            "request_id": request_id,
            "method": scope["method"],
            "path": scope["path"],
            "status": status,
            "milliseconds": round(seconds * 1000, 2),
        },
    )
