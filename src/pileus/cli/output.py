"""What commands print: tables for people, JSON for programs."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

Function = Callable[..., Any]


def output_option(function: Function) -> Function:
    """Let the caller choose between a table and JSON."""
    return click.option(
        "--output",
        "-o",
        type=click.Choice(["table", "json"]),
        default="table",
        help="A table for people (the default), or JSON for programs.",
    )(function)


def show(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], output: str, nothing: str = "Nothing.") -> None:
    """Print rows; `columns` are the keys that the table shows, JSON has them all, `nothing` is said of no rows."""
    found = list(rows)
    if output == "json":
        click.echo(json.dumps(found, indent=2))
    elif found:
        _console().print(_table(found, columns))
    else:
        click.echo(nothing)


def moment(microseconds: int | None) -> str | None:
    """A time as people and programs read it."""
    if microseconds is None:
        return None
    return datetime.fromtimestamp(microseconds // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(row.get(column))) for column in columns))
    return table


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_cell(one) for one in value)
    if isinstance(value, bool):
        return str(value).lower()
    return "-" if value in (None, "") else str(value)


def _console() -> Console:
    console = Console(highlight=False)
    # In a pipe there is no width to keep to, and a broken line is hard to search.
    return console if console.is_terminal else Console(highlight=False, width=200)
