"""Operations whose steps are modified: they fail, last, run twice, or kill their worker."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pileus.drivers.protocols.errors import NotYetDone
from pileus.tasks.operation import SAVE_INTERVAL, Operation, Step, StepFunction, TaskContext
from pileus.tasks.operations import OPERATIONS
from tests.tasks.workers import Clock, final_error

AnyStep = Step[Any]
Do = StepFunction[Any]
Modify = Callable[[AnyStep], AnyStep]


class KilledError(BaseException):
    """The worker ends here and releases nothing."""


def with_step(name: str, index: int | None, modify: Modify) -> Operation[Any]:
    """Return the operation with one step modified, or all if `index` is None."""
    steps = [modify(step) if index in (None, number) else step for number, step in enumerate(OPERATIONS[name].steps)]
    return replace(OPERATIONS[name], steps=tuple(steps))


def twice(do: Do) -> Do:
    async def do_twice(ctx: TaskContext[Any]) -> None:
        await do(ctx)
        await do(ctx)

    return do_twice


def doubled(step: AnyStep) -> AnyStep:
    return replace(step, do=twice(step.do), undo=None if step.undo is None else twice(step.undo))


def failing(*, after_effect: bool) -> Modify:
    async def fail(_: TaskContext[Any]) -> None:
        raise final_error("injected")

    return lambda step: replace(step, do=_after(step.do, fail) if after_effect else fail)


def killed_once(*, undoing: bool = False) -> Modify:
    """Kill the worker after the effect of the step, before the progress is saved."""
    kills = [KilledError()]

    async def kill(_: TaskContext[Any]) -> None:
        if kills:
            raise kills.pop()

    def modify(step: AnyStep) -> AnyStep:
        if undoing:
            return replace(step, undo=kill if step.undo is None else _after(step.undo, kill))
        return replace(step, do=_after(step.do, kill))

    return modify


def lasting(clock: Clock) -> Modify:
    """Let a step take so long that it is saved."""

    async def wait(_: TaskContext[Any]) -> None:
        clock.advance(SAVE_INTERVAL)

    return lambda step: replace(step, do=_after(step.do, wait))


def forbidden(step: AnyStep) -> AnyStep:
    async def fail(_: TaskContext[Any]) -> None:
        raise AssertionError(f"{step.name!r} has finished already")

    return replace(step, do=fail)


def unchanged(step: AnyStep) -> AnyStep:
    return step


def not_yet_done_once(step: AnyStep) -> AnyStep:
    """Let the driver be not yet done after the effect of the step."""
    waits = [NotYetDone(1)]

    async def wait(_: TaskContext[Any]) -> None:
        if waits:
            raise waits.pop()

    return replace(step, do=_after(step.do, wait))


def _after(first: Do, then: Do) -> Do:
    async def both(ctx: TaskContext[Any]) -> None:
        await first(ctx)
        await then(ctx)

    return both
