"""Faults that administrators and operators inject into the simulated cloud, to test clients."""

from enum import StrEnum

from msgspec import Struct

MAX_COUNT = 2**31 - 1
"""The largest number that an INTEGER column holds."""


class FaultKind(StrEnum):
    """HOLD: tasks wait before a step until the fault is released. FAIL: tasks fail at the step."""

    HOLD = "hold"
    FAIL = "fail"


class Fault(Struct, frozen=True, kw_only=True):
    """A fault for tasks of a type (None: any) at a step (None: the first), `times` times (None: always).

    It applies to the tasks of one tenant, or to those of all tenants if `client_id` is 0.
    """

    id: str
    client_id: int
    kind: str
    task_type: str | None = None
    step: str | None = None
    message: str | None = None
    times: int | None = None
    created_at: int

    def matches(self, task_type: str, step: str, *, is_first_step: bool) -> bool:
        """Return whether the fault applies to a step of a task."""
        is_this_step = step == self.step if self.step is not None else is_first_step
        return is_this_step and self.task_type in (None, task_type)
