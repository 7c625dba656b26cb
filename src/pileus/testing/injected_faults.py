"""A fault that a test has injected, and the requests that control a cloud."""

from types import TracebackType
from typing import Any, Self

import httpx


def send_control_request(operator: httpx.Client, method: str, path: str, **content: Any) -> Any:
    """Send a request of a test to its cloud and return the decoded answer, None if it is empty.

    Raises ValueError with the server's reason if an argument is wrong.
    """
    answer = operator.request(method, path, **content)
    if answer.status_code in (httpx.codes.BAD_REQUEST, httpx.codes.NOT_FOUND, httpx.codes.CONFLICT):
        raise ValueError(answer.json()["message"])
    answer.raise_for_status()
    return answer.json() if answer.content else None


class InjectedFault:
    """A fault that applies until it is released, or until the `with` block ends."""

    def __init__(self, operator: httpx.Client, path: str, fault_id: str, **parameters: Any) -> None:
        self.id = fault_id
        self._operator = operator
        self._path = path
        self._parameters = parameters

    def release(self) -> None:
        """Delete the fault if it exists. Tasks that it holds, and requests that it delays, continue."""
        answer = self._operator.delete(self._path, params=self._parameters)
        if answer.status_code != httpx.codes.NOT_FOUND:
            answer.raise_for_status()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
