"""Wait for tasks and show a progress bar."""

import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from pileus.cli.api_client import ApiClient
from pileus.cli.commands import CommandError

POLL_INTERVAL = 0.25
"""Seconds between polls."""
FIRST_POLL = 0.02
"""Seconds until the second poll: most tasks of the simulated driver have ended by then."""
FINAL_STATES = ("FINISHED", "ERROR")
INTERRUPTED = 130
Report = Callable[[int], object]


def wait_for_tasks(
    api: ApiClient,
    task_ids: Sequence[str],
    sleep: Callable[[float], None] = time.sleep,
    *,
    timeout: float | None = None,
) -> list[dict[str, Any]]:
    """Wait until all tasks have ended and return them.

    Raises CommandError with the errors of failed tasks, or if the tasks take longer than `timeout` seconds.
    """
    ended: dict[str, dict[str, Any]] = {}
    end = None if timeout is None else time.monotonic() + timeout
    try:
        with _show_progress(len(task_ids)) as report:
            _poll_until_ended(api, task_ids, ended, report, end, sleep)
    except KeyboardInterrupt:
        click.echo(f"Not waiting any more; {_next_step(task_ids, ended)}", err=True)
        raise SystemExit(INTERRUPTED) from None
    tasks = [ended[task_id] for task_id in task_ids]
    _check_succeeded(tasks)
    return tasks


def _poll_until_ended(
    api: ApiClient,
    task_ids: Sequence[str],
    ended: dict[str, dict[str, Any]],
    report: Report,
    end: float | None,
    sleep: Callable[[float], None],
) -> None:
    """Add the tasks to `ended` as they end. Raises CommandError at the time `end`."""
    for pause in _pauses():
        ended |= _poll_ended(api, [task_id for task_id in task_ids if task_id not in ended])
        report(len(ended))
        if len(ended) == len(task_ids):
            return
        if end is not None and time.monotonic() > end:
            raise CommandError(f"the timeout has expired; {_next_step(task_ids, ended)}")
        sleep(pause)


def _pauses() -> Iterator[float]:
    pause = FIRST_POLL
    while True:
        yield min(pause, POLL_INTERVAL)
        pause = 2 * pause


def _next_step(task_ids: Sequence[str], ended: Collection[str]) -> str:
    first_pending = next(task_id for task_id in task_ids if task_id not in ended)
    return f"the work goes on: pileus tasks wait {first_pending}"


def _poll_ended(api: ApiClient, task_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    tasks = [api.call("GET", f"/cloud/v1/tasks/{task_id}") for task_id in task_ids]
    return {task["id"]: task for task in tasks if task["state"] in FINAL_STATES}


def _check_succeeded(tasks: Sequence[dict[str, Any]]) -> None:
    failed = [task for task in tasks if task["state"] == "ERROR"]
    if failed:
        texts = [f"task {task['id']} ({task['task_type']}) failed: {task['error']}" for task in failed]
        raise CommandError("; ".join(texts))


@contextmanager
def _show_progress(count: int) -> Iterator[Report]:
    """Show a progress bar on standard error, if that is a terminal. Standard output is for the result."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415  # only a progress bar needs rich
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415  # as well

    columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("1 task" if count == 1 else f"{count} tasks", total=count)
        yield lambda ended: progress.update(task, completed=ended)
