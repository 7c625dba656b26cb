"""Output of commands: tables for people; CSV, TSV, names, JSON and YAML for programs.

Without --output, a terminal gets a table, and a pipe gets lines of values that are separated by tabs.
"""

import csv
import io
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import click
import msgspec

from pileus.cli.commands import UsageError
from pileus.cli.suggestions import suggest_text
from pileus.cli.table_cells import cell_text, field_at, plain_text

Function = Callable[..., Any]
Row = Mapping[str, Any]
FORMATS = ("table", "json", "yaml", "csv", "tsv", "name")
COLUMNS_KEY = "pileus.columns"
"""The key of the value of --columns in `Context.meta`."""
RESOURCE_NAMES = ("name", "id", "display_name", "servergroup_id", "port_id", "flavor_id")
"""Fields by which `-o name` names a resource, in order of preference."""
TABS_AND_LINES = str.maketrans("\t\r\n", "   ")


def add_output_option(function: Function) -> Function:
    """Add the options --output and --columns to a command; `show_table` and `print_record` obey the second one."""
    for option in reversed(output_options()):
        parameters = getattr(function, "__click_params__", [])
        parameters.append(option)
        function.__click_params__ = parameters  # type: ignore[attr-defined]  # where click's decorators keep options
    return function


def output_options(complete_columns: Function | None = None) -> list[click.Option]:
    """Return the options --output and --columns. The value of the first is never None."""
    return [
        click.Option(
            ["--output", "-o"],
            type=click.Choice(FORMATS),
            callback=lambda _, __, value: value or default_format(),
            help="The format; default: table on a terminal, tsv in a pipe. csv has a line of headings, tsv has none.",
        ),
        click.Option(
            ["--columns"],
            metavar="COLUMN,…",
            expose_value=False,
            callback=_keep_columns,
            shell_complete=complete_columns,
            help="The columns to show, such as id,name. A dot reaches into an object: flavor.ram.",
        ),
    ]


def default_format() -> Literal["table", "tsv"]:
    """Return the format for a terminal or a pipe."""
    return "table" if sys.stdout.isatty() else "tsv"


def show_table(rows: Iterable[Row], columns: Sequence[str], output: str, empty_text: str = "Nothing.") -> None:
    """Print rows: all keys in JSON and YAML, `columns` or those of --columns otherwise.

    A table without rows is `empty_text`, on standard error.
    """
    row_list = list(rows)
    chosen = chosen_columns()
    visible = chosen or list(columns)
    _check_columns(row_list, chosen)
    if output in ("json", "yaml"):
        click.echo(_encode(_select_all(row_list, chosen), output))
    elif output == "name":
        _print_lines(_row_name(row) for row in row_list)
    elif output == "csv" or (output == "tsv" and row_list):
        _print_separated(row_list, visible, output)
    elif row_list:
        from pileus.cli.tables import print_table  # noqa: PLC0415  # only tables need rich

        print_table(row_list, visible, all_columns=bool(chosen))
    else:
        click.echo(empty_text, err=True)


def print_record(fields: Row, output: str, hidden: Iterable[str] = ()) -> None:
    """Print one resource: all its fields, or those of --columns. Only JSON and YAML have `hidden` fields."""
    chosen = chosen_columns()
    _check_columns([fields], chosen)
    if output in ("json", "yaml"):
        click.echo(_encode(_select_all([fields], chosen)[0], output))
    elif output == "name":
        _print_lines([_row_name(fields)])
    names = chosen or [name for name in fields if name not in set(hidden)]
    if output == "csv":
        _print_separated([fields], names, output)
    elif output == "tsv":
        _print_lines(f"{name}\t{_tsv_text(field_at(fields, name))}" for name in names)
    elif output == "table":
        from pileus.cli.tables import print_fields  # noqa: PLC0415  # only tables need rich

        print_fields({name: field_at(fields, name) for name in names})


def format_time(microseconds: int | None) -> str | None:
    """Format a time in microseconds as ISO 8601, in UTC."""
    if microseconds is None:
        return None
    return datetime.fromtimestamp(microseconds // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _keep_columns(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        columns = [column.strip() for column in value.split(",") if column.strip()]
        if not columns:
            raise UsageError("--columns needs the name of a column")
        ctx.meta[COLUMNS_KEY] = columns


def chosen_columns() -> list[str]:
    """Return the columns of --columns, or an empty list."""
    ctx = click.get_current_context(silent=True)
    columns: list[str] = ctx.meta.get(COLUMNS_KEY, []) if ctx else []
    return columns


def _check_columns(rows: Sequence[Row], columns: Sequence[str]) -> None:
    """Raise UsageError for a column that no row has."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    for column in columns:
        first = column.partition(".")[0]
        if rows and first not in names:
            hint = suggest_text(first, names) or f" There are: {', '.join(names)}."
            raise UsageError(f"there is no column {first}.{hint}")


def _select_all(rows: Sequence[Row], columns: Sequence[str]) -> list[Row]:
    return [{name: field_at(row, name) for name in columns} for row in rows] if columns else list(rows)


def _row_name(row: Row) -> str:
    for field in RESOURCE_NAMES:
        if row.get(field) not in (None, ""):
            return str(row[field])
    return cell_text(next(iter(row.values()), None))


def _encode(value: Any, output: str) -> str:
    if output == "json":
        return json.dumps(value, indent=2, ensure_ascii=False)
    return msgspec.yaml.encode(value).decode().rstrip()


def _print_separated(rows: Sequence[Row], columns: Sequence[str], output: str) -> None:
    if output == "tsv":
        _print_lines("\t".join(_tsv_text(field_at(row, column)) for column in columns) for row in rows)
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([plain_text(field_at(row, column)) for column in columns] for row in rows)
    click.echo(text.getvalue(), nl=False)


def _tsv_text(value: Any) -> str:
    return plain_text(value).translate(TABS_AND_LINES)


def _print_lines(lines: Iterable[str]) -> None:
    click.echo("".join(f"{line}\n" for line in lines), nl=False)
