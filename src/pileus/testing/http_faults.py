"""Faults of HTTP, as tests inject them."""

from typing import Any, TypedDict, Unpack

import httpx

from pileus.testing.injected_faults import InjectedFault, send_control_request

PATH = "/_pileus/http_faults"


class RequestConditions(TypedDict, total=False):
    """Which requests a fault selects, and how many of them it hits."""

    method: str
    path: str
    project_id: int
    tenant_id: int
    probability: float
    seed: int
    times: int
    skip: int


class InjectedHttpFault(InjectedFault):
    """A fault of HTTP that applies until it is released, or until the `with` block ends."""

    def __init__(self, operator: httpx.Client, fault_id: str) -> None:
        super().__init__(operator, f"{PATH}/{fault_id}", fault_id)

    @property
    def hits(self) -> int:
        """The number of requests that the fault has hit."""
        return int(self._operator.get(self._path).raise_for_status().json()["hits"])

    @property
    def matches(self) -> int:
        """The number of requests that the fault has selected, hit or not."""
        return int(self._operator.get(self._path).raise_for_status().json()["matches"])


class HttpFaultInjector:
    """Injects faults into the operations of the API. Wrong arguments raise ValueError with the server's reason.

    A method takes the id of an `operation` (any if None; `*` stands for any text), such as `create_instance`, and these
    conditions by keyword: `method` and `path` (in which a part `*` stands for any text), `project_id`, `tenant_id`,
    `probability` with a `seed`, the number of `times` and of requests to `skip` first.
    """

    def __init__(self, operator: httpx.Client) -> None:
        self._operator = operator

    def respond(
        self,
        operation: str | None = None,
        *,
        status: int,
        message: str | None = None,
        retry_after: int | None = None,
        **conditions: Unpack[RequestConditions],
    ) -> InjectedHttpFault:
        """Answer requests with an error instead of the operation."""
        return self._inject_http(
            "respond", operation, conditions, status=status, message=message, retry_after=retry_after
        )

    def delay(
        self,
        operation: str | None = None,
        *,
        seconds: float,
        max_seconds: float | None = None,
        **conditions: Unpack[RequestConditions],
    ) -> InjectedHttpFault:
        """Let requests wait before the operation: for `seconds`, or a random time up to `max_seconds`.

        Requests that wait go on when the fault is released.
        """
        return self._inject_http("delay", operation, conditions, seconds=seconds, max_seconds=max_seconds)

    def disconnect(self, operation: str | None = None, **conditions: Unpack[RequestConditions]) -> InjectedHttpFault:
        """Close the connection of requests instead of the operation."""
        return self._inject_http("disconnect", operation, conditions)

    def truncate(self, operation: str | None = None, **conditions: Unpack[RequestConditions]) -> InjectedHttpFault:
        """Close the connection of requests in the middle of the answer; the operation has taken place."""
        return self._inject_http("truncate", operation, conditions)

    def lose_answer(self, operation: str | None = None, **conditions: Unpack[RequestConditions]) -> InjectedHttpFault:
        """Close the connection of requests after the operation, without an answer."""
        return self._inject_http("lose_answer", operation, conditions)

    def _release_all_http(self) -> None:
        """Delete all faults of HTTP; there are none where the cloud may not be controlled."""
        answer = self._operator.delete(PATH)
        if answer.status_code != httpx.codes.FORBIDDEN:
            answer.raise_for_status()

    def _inject_http(
        self, kind: str, operation: str | None, conditions: RequestConditions, **effect: Any
    ) -> InjectedHttpFault:
        if unknown := conditions.keys() - RequestConditions.__annotations__.keys():
            raise TypeError(f"A fault has no condition {', '.join(sorted(unknown))}")
        fault = {**conditions, **effect, "kind": kind, "operation": operation}
        fault["client_id"] = fault.pop("tenant_id", None)
        body = {name: value for name, value in fault.items() if value is not None}
        return InjectedHttpFault(self._operator, send_control_request(self._operator, "POST", PATH, json=body)["id"])
