"""Wait for tasks and show a progress bar."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from pileus.cli.commands import CommandError
from pileus.cli.session import SdkSession

POLL_INTERVAL = 0.25
"""Seconds between polls."""
FINAL_STATES = ("FINISHED", "ERROR")


def wait_for_tasks(
    session: SdkSession, task_ids: Sequence[str], sleep: Callable[[float], None] = time.sleep
) -> list[Any]:
    """Wait until all tasks have ended and return them. Raises CommandError with the errors of failed tasks."""
    ended: dict[str, Any] = {}
    try:
        with _make_progress() as bar:
            progress_task = bar.add_task(_count_text(len(task_ids)), total=len(task_ids))
            while pending := [task_id for task_id in task_ids if task_id not in ended]:
                ended |= _poll_ended(session, pending)
                bar.update(progress_task, completed=len(ended))
                sleep(POLL_INTERVAL if len(ended) < len(task_ids) else 0)
    except KeyboardInterrupt:
        first_pending = next(task_id for task_id in task_ids if task_id not in ended)
        click.echo(f"Not waiting any more; the work goes on: pileus tasks show {first_pending}", err=True)
        raise SystemExit(130) from None
    tasks = [ended[task_id] for task_id in task_ids]
    _check_succeeded(tasks)
    return tasks


def _poll_ended(session: SdkSession, task_ids: Sequence[str]) -> dict[str, Any]:
    tasks = [session.call_method("tasks.get", task_id=task_id) for task_id in task_ids]
    return {task.id: task for task in tasks if task.state in FINAL_STATES}


def _check_succeeded(tasks: Sequence[Any]) -> None:
    failed = [task for task in tasks if task.state == "ERROR"]
    if failed:
        raise CommandError("; ".join(f"task {task.id} ({task.task_type}) failed: {task.error}" for task in failed))


def _count_text(number: int) -> str:
    return "1 task" if number == 1 else f"{number} tasks"


def _make_progress() -> Progress:
    columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    # Standard output is for the result. rich shows no bar if standard error is not a terminal.
    return Progress(*columns, console=Console(stderr=True), transient=True)
