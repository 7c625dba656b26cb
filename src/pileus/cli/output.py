"""Output of commands: tables for people, JSON or YAML for programs."""

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
NAME_FIELDS = (
    "name", "addr", "ip_address", "flavor_id", "volume_name", "instance_name", "resource_id", "server_id",
)  # fmt: skip
"""Fields that identify an object in a table, in order of preference."""


def add_output_option(function: Function) -> Function:
    """Add the option --output to a command."""
    return click.option(
        "--output",
        "-o",
        type=click.Choice(["table", "json"]),
        default="table",
        help="A table for people (the default), or JSON for programs.",
    )(function)


def show_table(
    rows: Iterable[Mapping[str, Any]], columns: Sequence[str], output: str, empty_text: str = "Nothing."
) -> None:
    """Print rows: `columns` in a table, all keys in JSON. A table without rows is `empty_text`."""
    row_list = list(rows)
    if output != "table":
        click.echo(_encode(row_list, output))
    elif row_list:
        _console().print(_make_table(row_list, columns))
    else:
        click.echo(empty_text)


def print_record(fields: Mapping[str, Any], output: str) -> None:
    """Print all fields of one resource."""
    if output != "table":
        click.echo(_encode(fields, output))
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in fields.items():
        nested = isinstance(value, dict | list) and value
        table.add_row(name.replace("_", " "), Text(_encode(value, "yaml") if nested else _cell_text(value)))
    _console().print(table)


def format_time(microseconds: int | None) -> str | None:
    """Format a time in microseconds as ISO 8601, in UTC."""
    if microseconds is None:
        return None
    return datetime.fromtimestamp(microseconds // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _encode(value: Any, output: str) -> str:
    if output == "json":
        return json.dumps(value, indent=2)
    return msgspec.yaml.encode(value).decode().rstrip()


def _make_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in columns:
        # A wrapped id cannot be copied.
        is_id = column == "id" or column.endswith("_id")
        table.add_column(column.replace("_", " "), overflow="fold", no_wrap=is_id)
    for row in rows:
        table.add_row(*(Text(_cell_text(row.get(column))) for column in columns))
    return table


def _cell_text(value: Any) -> str:
    if isinstance(value, list):
        # System tags are hidden in tables.
        visible = [item for item in value if not (isinstance(item, dict) and item.get("read_only"))]
        return ", ".join(map(_cell_text, visible)) or "-"
    if isinstance(value, dict):
        return _short_text(value)
    if isinstance(value, bool):
        return str(value).lower()
    return "-" if value in (None, "") else str(value)


def _short_text(value: Mapping[str, Any]) -> str:
    """Format an object in a table: a tag as `key=value`, else its name, else all its fields."""
    if value.keys() >= {"key", "value"}:
        return f"{value['key']}={value['value']}"
    for name in NAME_FIELDS:
        if value.get(name):
            return _cell_text(value[name])
    return "; ".join(f"{name}: {_cell_text(field)}" for name, field in value.items() if field not in (None, "", []))


def _console() -> Console:
    console = Console(highlight=False)
    # Output to a pipe has no terminal width, and wrapped lines are hard to search.
    return console if console.is_terminal else Console(highlight=False, width=200)
