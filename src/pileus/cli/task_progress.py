"""Waiting for tasks, with a bar that shows how many have ended."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from pileus.cli.formatting import Failure
from pileus.cli.session import Session

EVERY = 0.25
"""Seconds between looks."""
ENDED = ("FINISHED", "ERROR")


def wait(session: Session, task_ids: Sequence[str], sleep: Callable[[float], None] = time.sleep) -> list[Any]:
    """The tasks, when all have ended; raises Failure with the errors of those that failed."""
    ended: dict[str, Any] = {}
    try:
        with _bar() as bar:
            line = bar.add_task(_word(len(task_ids)), total=len(task_ids))
            while left := [task_id for task_id in task_ids if task_id not in ended]:
                ended |= _ended(session, left)
                bar.update(line, completed=len(ended))
                sleep(EVERY if len(ended) < len(task_ids) else 0)
    except KeyboardInterrupt:
        first = next(task_id for task_id in task_ids if task_id not in ended)
        click.echo(f"Not waiting any more; the work goes on: pileus tasks show {first}", err=True)
        raise SystemExit(130) from None
    tasks = [ended[task_id] for task_id in task_ids]
    _check(tasks)
    return tasks


def _ended(session: Session, task_ids: Sequence[str]) -> dict[str, Any]:
    found = [session.call("tasks.get", task_id=task_id) for task_id in task_ids]
    return {task.id: task for task in found if task.state in ENDED}


def _check(tasks: Sequence[Any]) -> None:
    failed = [task for task in tasks if task.state == "ERROR"]
    if failed:
        raise Failure("; ".join(f"task {task.id} ({task.task_type}) failed: {task.error}" for task in failed))


def _word(number: int) -> str:
    return "1 task" if number == 1 else f"{number} tasks"


def _bar() -> Progress:
    columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    # Standard output is for what comes of it; where nobody looks there is no bar.
    return Progress(*columns, console=Console(stderr=True), transient=True)
