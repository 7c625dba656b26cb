"""`pileus sim reset`: let the simulated cloud be as it was after its first start."""

import sys
from urllib.parse import urlencode

import click

from pileus.cli.commands import SectionedCommand, UsageError
from pileus.cli.control import ControlClient
from pileus.cli.sim import add_server_options

EXAMPLES = (
    ("Reset the whole cloud", "pileus sim reset --yes"),
    ("Reset a tenant, which keeps its keys", "pileus sim reset --client 2"),
    ("Empty a project", "pileus sim reset --project 5"),
)
WARNING = "All tenants, keys and resources of {url} will be gone. Continue?"


@click.command("reset", cls=SectionedCommand, examples=EXAMPLES)
@click.option("--client", "client_id", type=click.IntRange(min=1), metavar="ID", help="Reset this tenant only.")
@click.option("--project", type=click.IntRange(min=1), metavar="ID", help="Reset this project only.")
@click.option("--yes", is_flag=True, help="Do not ask before the whole cloud is reset.")
@add_server_options
def reset(control: ControlClient, client_id: int | None, project: int | None, *, yes: bool) -> None:
    """Reset the cloud: it is again as it was after its first start. Needs an operator's key.

    Tenants, projects, keys and resources that were made since are gone, with their machines, tasks, faults and usage.
    The catalogue and the first key stay.
    """
    if client_id is None and project is None:
        confirm_replacement(control.connection.url, is_confirmed=yes)
    parameters = {"client_id": client_id, "project_id": project}
    query = urlencode({name: value for name, value in parameters.items() if value is not None})
    control.call("POST", f"/reset?{query}")
    click.echo(f"{_describe(client_id, project)} is reset.")


def confirm_replacement(url: str, *, is_confirmed: bool) -> None:
    """Ask whether everything may be replaced, unless that is confirmed. Raises UsageError without a terminal."""
    if is_confirmed:
        return
    if not sys.stdin.isatty():
        raise UsageError("this deletes everything in the cloud: confirm it with --yes")
    click.confirm(WARNING.format(url=url), abort=True)


def _describe(client_id: int | None, project: int | None) -> str:
    if project is not None:
        return f"Project {project}"
    return "The cloud" if client_id is None else f"Tenant {client_id}"
