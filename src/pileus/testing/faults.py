"""Faults of tasks, as tests inject them."""

from types import TracebackType
from typing import Any, Self

import httpx

ALL_TENANTS = {"client_id": 0}


class InjectedFault:
    """A fault that applies until it is released, or until the `with` block ends."""

    def __init__(self, operator: httpx.Client, fault_id: str) -> None:
        self.id = fault_id
        self._operator = operator

    def release(self) -> None:
        """Delete the fault if it exists. Tasks that it holds continue."""
        answer = self._operator.delete(f"/_pileus/faults/{self.id}", params=ALL_TENANTS)
        if answer.status_code != httpx.codes.NOT_FOUND:
            answer.raise_for_status()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class CloudFaults:
    """Injects faults into the tasks of all projects of a cloud. A wrong task type or step raises HTTPStatusError."""

    def __init__(self, operator: httpx.Client) -> None:
        self._operator = operator

    def hold(self, task_type: str | None = None, *, step: str | None = None, times: int | None = None) -> InjectedFault:
        """Hold tasks of a type (any if None) before a step (the first if None) until the fault is released."""
        return self._inject(kind="hold", task_type=task_type, step=step, times=times)

    def fail(
        self,
        task_type: str | None = None,
        *,
        step: str | None = None,
        times: int | None = None,
        message: str | None = None,
    ) -> InjectedFault:
        """Let tasks of a type (any if None) fail at a step (the first if None), so many times (always if None)."""
        return self._inject(kind="fail", task_type=task_type, step=step, times=times, message=message)

    def release_all(self) -> None:
        """Delete all faults. Tasks that they hold continue."""
        self._operator.delete("/_pileus/faults", params=ALL_TENANTS).raise_for_status()

    def _inject(self, **fault: Any) -> InjectedFault:
        answer = self._operator.post("/_pileus/faults", params=ALL_TENANTS, json=fault)
        return InjectedFault(self._operator, answer.raise_for_status().json()["id"])
