"""`pileus adopt`: let a running server manage what others have created in its cloud."""

from collections.abc import Sequence
from typing import Any

import click

from pileus.cli.cloud_options import add_cloud_options, pop_connection
from pileus.cli.commands import CommandError, SectionedCommand
from pileus.cli.control import ControlClient, RequestRefusedError
from pileus.cli.output import add_output_option, show_table

COLUMNS = ("kind", "cloud_id", "name", "id", "obstacle")
TIMEOUT = 600
"""Seconds: a large cloud takes long to list what it has."""
ADOPTABLE = ("network", "volume", "instance")
EXAMPLES = (
    ("Show what could be adopted into project 1 of region 1", "pileus adopt"),
    ("Adopt all of it", "pileus adopt --apply"),
    ("Adopt one server and what it needs", "pileus adopt --apply 9c6f… 41d2…"),
    ("Adopt into project 5 of tenant 2", "pileus adopt --client 2 --project 5 --apply"),
)
Row = dict[str, Any]


@click.command("adopt", cls=SectionedCommand, examples=EXAMPLES)
@click.argument("cloud_ids", nargs=-1, metavar="[CLOUD_ID]...")
@click.option("--apply", "is_applied", is_flag=True, help="Adopt; without it nothing is changed.")
@click.option(
    "--client",
    type=click.IntRange(min=1),
    metavar="ID",
    help="The tenant of the project; default: the tenant of the key.",
)
@add_output_option
@add_cloud_options
def adopt(cloud_ids: Sequence[str], client: int | None, output: str, *, is_applied: bool, **options: Any) -> None:
    """Adopt what others have created in the cloud.

    Networks, volumes and instances of the cloud of a region become resources of a project.

    CLOUD_ID is the id of a resource in the cloud; without one, all are meant. Without --apply the command shows what
    there is, and what prevents its adoption, and changes nothing. It can be repeated.

    It needs a running server with a region in OpenStack, and an operator's key.
    """
    connection = pop_connection(options)
    control = ControlClient(connection, client, timeout=TIMEOUT)
    place = f"{connection.project}/{connection.region}"
    rows = _select(_list(control, place), cloud_ids)
    if not is_applied:
        show_table(rows, COLUMNS, output, "The cloud has nothing that could be adopted.")
        return
    adopted: list[Row] = []
    refused: dict[str, Row] = {}
    try:
        rows = _adopt_all(control, place, rows, cloud_ids, adopted, refused)
    except CommandError:
        show_table([*adopted, *refused.values()], COLUMNS, output, "Nothing is adopted.")
        raise
    # What is never adopted is a failure only if it was named.
    failed = [refused.get(row["id"], row) for row in rows if cloud_ids or row["kind"] in ADOPTABLE]
    show_table([*adopted, *failed], COLUMNS, output, "There is nothing to adopt.")
    if failed:
        raise CommandError(
            f"{len(failed)} of {len(failed) + len(adopted)} resources are not adopted: see the obstacles"
        )


def _adopt_all(
    control: ControlClient,
    place: str,
    rows: list[Row],
    cloud_ids: Sequence[str],
    adopted: list[Row],
    refused: dict[str, Row],
) -> list[Row]:
    """Try to adopt, once each, what nothing is known to prevent, until there is nothing more. Return what is left.

    `adopted` and `refused` are filled: an error leaves what has happened until then.
    """
    while possible := [row for row in rows if _may_be_adopted(row) and row["id"] not in refused]:
        for row in possible:
            body = {"kind": row["kind"], "cloud_id": row["cloud_id"]}
            try:
                adopted.append(control.call("POST", f"/adoptions/{place}", body))
            except RequestRefusedError as error:
                refused[row["id"]] = row | {"obstacle": error.reason}
        rows = _select(_list(control, place), cloud_ids)
    return rows


def _may_be_adopted(row: Row) -> bool:
    return row["obstacle"] is None or not row["is_checked"]


def _list(control: ControlClient, place: str) -> list[Row]:
    rows: list[Row] = control.call("GET", f"/foreign_resources/{place}")["results"]
    return rows


def _select(rows: list[Row], cloud_ids: Sequence[str]) -> list[Row]:
    """Return the rows of these ids, or all."""
    return [row for row in rows if not cloud_ids or row["cloud_id"] in cloud_ids]
