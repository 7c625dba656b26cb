"""What commands print: tables for people, JSON or YAML for programs."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click
import msgspec
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

Function = Callable[..., Any]
NAMES = (
    "name", "addr", "ip_address", "flavor_id", "volume_name", "instance_name", "resource_id", "server_id",
)  # fmt: skip
"""What an object is known by, the best first."""


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
    if output != "table":
        click.echo(_written(found, output))
    elif found:
        _console().print(_table(found, columns))
    else:
        click.echo(nothing)


def show_one(facts: Mapping[str, Any], output: str) -> None:
    """Print one thing with all that is known of it."""
    if output != "table":
        click.echo(_written(facts, output))
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        nested = isinstance(value, dict | list) and value
        table.add_row(name.replace("_", " "), Text(_written(value, "yaml") if nested else _cell(value)))
    _console().print(table)


def moment(microseconds: int | None) -> str | None:
    """A time as people and programs read it."""
    if microseconds is None:
        return None
    return datetime.fromtimestamp(microseconds // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _written(value: Any, output: str) -> str:
    if output == "json":
        return json.dumps(value, indent=2)
    return msgspec.yaml.encode(value).decode().rstrip()


def _table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in columns:
        # An id in two pieces cannot be copied.
        whole = column == "id" or column.endswith("_id")
        table.add_column(column.replace("_", " "), overflow="fold", no_wrap=whole)
    for row in rows:
        table.add_row(*(Text(_cell(row.get(column))) for column in columns))
    return table


def _cell(value: Any) -> str:
    if isinstance(value, list):
        # What the system has noted for itself is for programs.
        own = [one for one in value if not (isinstance(one, dict) and one.get("read_only"))]
        return ", ".join(map(_cell, own)) or "-"
    if isinstance(value, dict):
        return _short(value)
    if isinstance(value, bool):
        return str(value).lower()
    return "-" if value in (None, "") else str(value)


def _short(value: Mapping[str, Any]) -> str:
    """What stands for an object in a table: a tag as it is typed, else what it is called, else all that is in it."""
    if value.keys() >= {"key", "value"}:
        return f"{value['key']}={value['value']}"
    for name in NAMES:
        if value.get(name):
            return _cell(value[name])
    return "; ".join(f"{name}: {_cell(each)}" for name, each in value.items() if each not in (None, "", []))


def _console() -> Console:
    console = Console(highlight=False)
    # In a pipe there is no width to keep to, and a broken line is hard to search.
    return console if console.is_terminal else Console(highlight=False, width=200)
