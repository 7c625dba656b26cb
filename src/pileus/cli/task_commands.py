"""`pileus tasks wait`: wait for tasks that go on."""

from typing import Any

import click

from pileus.cli.cloud_options import cloud_options, pop_api_client
from pileus.cli.commands import SectionedCommand
from pileus.cli.output import output_options, show_table
from pileus.cli.resource_results import TASK_COLUMNS, task_row
from pileus.cli.task_progress import wait_for_tasks
from pileus.cli.value_completion import complete_open_tasks

EXAMPLE_ID = "6613a0e6-1a99-4d06-8e8a-0000f08d5cb6"


def task_wait_command() -> SectionedCommand:
    """Return the command."""
    params = [
        click.Argument(
            ["task_ids"],
            nargs=-1,
            required=True,
            metavar="TASK_ID…",
            type=click.UUID,
            shell_complete=complete_open_tasks,
        ),
        click.Option(
            ["--timeout"], type=click.FloatRange(min=0), metavar="SECONDS", help="The longest time; default: no limit."
        ),
    ]
    return SectionedCommand(
        "wait",
        callback=wait_and_show,
        params=[*params, *cloud_options(), *output_options()],
        help="Wait until tasks have ended. The exit code is 1 if one fails, or after the timeout.",
        short_help="Wait until tasks have ended.",
        examples=[
            ("Wait for a task, but no longer than a minute", f"pileus tasks wait {EXAMPLE_ID} --timeout 60"),
        ],
    )


def wait_and_show(task_ids: tuple[Any, ...], timeout: float | None, output: str, **options: Any) -> None:
    """Wait and print the tasks."""
    tasks = wait_for_tasks(pop_api_client(options), [str(task_id) for task_id in task_ids], timeout=timeout)
    show_table([task_row(task) for task in tasks], TASK_COLUMNS, output)
