"""What an operator of the simulated cloud asks to go wrong, so that clients can be tested against it."""

from enum import StrEnum

from msgspec import Struct


class FaultKind(StrEnum):
    """A task waits before a step until told to go on, or fails at it."""

    HOLD = "hold"
    FAIL = "fail"


class Fault(Struct, frozen=True, kw_only=True):
    """Strikes tasks of a type (None: any) at a step (None: the first), `times` times (None: always)."""

    id: str
    kind: str
    task_type: str | None = None
    step: str | None = None
    message: str | None = None
    times: int | None = None
    created_at: int

    def matches(self, task_type: str, step: str, *, first: bool) -> bool:
        """Whether it strikes here."""
        here = step == self.step if self.step is not None else first
        return here and self.task_type in (None, task_type)
