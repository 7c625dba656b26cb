"""The requests that a test has sent to a test cloud."""

from collections.abc import Iterator
from typing import Any

import httpx
from msgspec import Struct

from pileus.testing.injected_faults import send_control_request

MAX_LISTED = 1000
SHOWN = 20
"""Requests that the message of a failed assertion lists: the last ones."""


class SentRequest(Struct, frozen=True, kw_only=True):
    """A request and its answer, without secrets. `body` and `response` are decoded JSON.

    `status` is None if the client got no answer. `unread` names what was sent and the operation does not have: fields
    by their paths, such as `volumes.0.naem`, and query parameters as `?naem`.
    """

    id: str
    operation: str | None
    method: str
    path: str
    query: str
    status: int | None
    body: Any
    response: Any
    unread: tuple[str, ...]
    user_agent: str | None
    milliseconds: float

    def __str__(self) -> str:
        """Describe the request in a line."""
        query = f"?{self.query}" if self.query else ""
        unread = f", unread: {', '.join(self.unread)}" if self.unread else ""
        return f"{self.method} {self.path}{query} ({self.operation}): {self.status}{unread}"


class CloudRequests:
    """The requests since the test has begun: those of its project if it has one, else all. Oldest first."""

    def __init__(self, operator: httpx.Client) -> None:
        self._operator = operator
        self._selection: dict[str, Any] = {}

    def begin(self, tenant_id: int | None = None) -> None:
        """Leave out the requests until now and, if a tenant is given, those of others."""
        tenant = {} if tenant_id is None else {"client_id": tenant_id}
        self._selection = {"after": self._read(limit=1)["position"], **tenant}

    def list_all(self, **selection: Any) -> list[SentRequest]:
        """Return the requests, of those the selected ones: `GET /_pileus/requests` describes the filters."""
        results = self._read(**self._selection, **selection, limit=MAX_LISTED)["results"]
        return [_recorded_request(exchange) for exchange in results]

    def of(self, operation: str) -> list[SentRequest]:
        """Return the requests of an operation of the API reference. Raises ValueError if there is no such operation."""
        return self.list_all(operation=operation)

    @property
    def last(self) -> SentRequest:
        """The last request. Raises AssertionError if there is none."""
        requests = self.list_all()
        assert requests, "No request was sent"  # noqa: S101  # tests read it
        return requests[-1]

    @property
    def unread(self) -> list[SentRequest]:
        """The requests with fields or query parameters that nothing reads."""
        return self.list_all(unread=True)

    def __iter__(self) -> Iterator[SentRequest]:
        """Iterate over all requests."""
        return iter(self.list_all())

    def __len__(self) -> int:
        """Count all requests."""
        return len(self.list_all())

    def assert_called(self, operation: str, *, times: int | None = None) -> SentRequest:
        """Assert that an operation was called, so many times if `times` is given, and return the last request of it."""
        requests = self.of(operation)
        is_right = bool(requests) if times is None else len(requests) == times
        if not is_right or not requests:
            expected = "at least once" if times is None else _count_text(times)
            self._fail(f"{operation} was called {_count_text(len(requests))}, not {expected}")
        return requests[-1]

    def assert_not_called(self, operation: str) -> None:
        """Assert that an operation was not called."""
        if requests := self.of(operation):
            self._fail(f"{operation} was called {_count_text(len(requests))}")

    def assert_all_read(self) -> None:
        """Assert that nothing was sent that the operations do not have, as misspelled fields."""
        if requests := self.unread:
            lines = "".join(f"\n  {request}" for request in requests)
            raise AssertionError(f"Fields or parameters were sent that nothing reads:{lines}")

    def _fail(self, message: str) -> None:
        requests = self.list_all()
        lines = "".join(f"\n  {request}" for request in requests[-SHOWN:])
        listed = f"The last of {len(requests)} requests:{lines}" if requests else "No request was sent."
        raise AssertionError(f"{message}. {listed}")

    def _read(self, **parameters: Any) -> Any:
        return send_control_request(self._operator, "GET", "/_pileus/requests", params=parameters)


def _count_text(count: int) -> str:
    return {0: "never", 1: "once"}.get(count, f"{count} times")


def _recorded_request(exchange: dict[str, Any]) -> SentRequest:
    return SentRequest(
        id=exchange["request_id"],
        body=exchange["request_body"]["content"],
        response=exchange["response_body"]["content"],
        unread=(*exchange["unread_fields"], *(f"?{name}" for name in exchange["unread_parameters"])),
        user_agent=exchange["client"]["user_agent"],
        **{name: exchange[name] for name in ("operation", "method", "path", "query", "status", "milliseconds")},
    )
