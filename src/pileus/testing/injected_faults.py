"""A fault that a test has injected."""

from types import TracebackType
from typing import Any, Self

import httpx


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
