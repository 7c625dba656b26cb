"""What a start does after the server has begun to answer: seed files and start scripts, and how far it is."""

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

StepState = Literal["waiting", "running", "complete", "failed"]
WAITING: StepState = "waiting"
RUNNING: Literal["running"] = "running"
COMPLETE: Literal["complete"] = "complete"
FAILED: Literal["failed"] = "failed"
NOT_BEGUN = "The start has not come to its seed file and its scripts yet"


class StartStep(Struct, frozen=True, kw_only=True):
    """A seed file or a script of a start; `error` is what those may know who have no key."""

    name: str
    kind: Literal["seed", "script"]
    state: StepState = WAITING
    error: str = ""


class StartReport(Struct, frozen=True, kw_only=True):
    """How far a start is: `message` is a sentence about what is missing."""

    state: Literal["running", "complete", "failed"] = RUNNING
    message: str = NOT_BEGUN
    steps: list[StartStep] = []


def make_start_report(steps: list[StartStep]) -> StartReport:
    """Return the report of a start with these steps."""
    open_steps = [step for step in steps if step.state in (WAITING, RUNNING)]
    if open_steps:
        later = f", then {len(open_steps) - 1} more" if len(open_steps) > 1 else ""
        return StartReport(message=f"The start runs {open_steps[0].name}{later}", steps=steps)
    failed = [f"{step.name}: {step.error}" for step in steps if step.state == FAILED]
    if failed:
        return StartReport(state=FAILED, message=f"The start has failed in part: {'; '.join(failed)}", steps=steps)
    return StartReport(state=COMPLETE, message="The start is complete", steps=steps)


def with_step_state(steps: list[StartStep], index: int, state: StepState, error: str = "") -> list[StartStep]:
    """Return the steps with another state of one."""
    return [*steps[:index], replace(steps[index], state=state, error=error), *steps[index + 1 :]]
