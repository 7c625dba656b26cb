"""Faults, as tests inject them: of tasks here, of HTTP in `http_faults.py`."""

from typing import Any

from pileus.testing.http_faults import HttpFaultInjector
from pileus.testing.injected_faults import InjectedFault, send_control_request

ALL_TENANTS = {"client_id": 0}


class CloudFaults(HttpFaultInjector):
    """Injects faults into the tasks and the operations of all projects of a cloud.

    A wrong task type or step raises ValueError with the server's reason.
    """

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
        """Delete all faults, of tasks and of HTTP. Tasks that they hold, and requests that they delay, continue."""
        self._release_all_http()
        send_control_request(self._operator, "DELETE", "/_pileus/faults", params=ALL_TENANTS)

    def _inject(self, **fault: Any) -> InjectedFault:
        fault_id = send_control_request(self._operator, "POST", "/_pileus/faults", params=ALL_TENANTS, json=fault)["id"]
        return InjectedFault(self._operator, f"/_pileus/faults/{fault_id}", fault_id, **ALL_TENANTS)
