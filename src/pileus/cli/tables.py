"""Tables on terminals. Identifiers are never wrapped or cut; what does not fit is left out, and named."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pileus.cli.table_cells import cell_text, field_at

GAP = 2
"""Spaces between columns."""
LONGEST_WORD = 40
"""Longer words may be cut. Ids and addresses are shorter."""
TAG_FIELDS = {"key", "value"}


def print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, all_columns: bool = False) -> None:
    """Print rows. Columns that do not fit are left out, unless `all_columns` are wanted."""
    cells = {column: [cell_text(field_at(row, column)) for row in rows] for column in columns}
    console = _console()
    visible = list(columns) if all_columns else _columns_that_fit(cells, console.width)
    widths = _widths({column: cells[column] for column in visible}, console.width)
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="bold")
    for column in visible:
        table.add_column(_heading(column), overflow="fold", width=widths[column])
    for index in range(len(rows)):
        table.add_row(*(Text(cells[column][index]) for column in visible))
    # The terminal wraps a table that is wider: nothing is lost.
    console.width = max(console.width, sum(widths.values()) + GAP * len(widths))
    console.print(table, crop=False)
    _name_hidden_columns([column for column in columns if column not in visible])


def print_fields(fields: Mapping[str, Any]) -> None:
    """Print the fields of one resource, a line or more for each."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in fields.items():
        table.add_row(_heading(name), Text(_nested_text(value)))
    console = _console()
    console.print(table, crop=False, width=None if console.is_terminal else 10_000)


def _nested_text(value: Any) -> str:
    """Format a value on several lines if it has parts: tags as `key=value`, others as YAML."""
    if not isinstance(value, dict | list) or not value:
        return cell_text(value)
    if isinstance(value, list) and all(isinstance(item, dict) and item.keys() >= TAG_FIELDS for item in value):
        return "\n".join(f"{tag['key']}={tag['value']}{' (read-only)' * bool(tag.get('read_only'))}" for tag in value)
    return msgspec.yaml.encode(value).decode().rstrip()


def _columns_that_fit(cells: Mapping[str, Sequence[str]], width: int) -> list[str]:
    """Return the first column, and the others whose smallest widths fit beside it."""
    visible: list[str] = []
    used = -GAP
    for column, texts in cells.items():
        needed = used + GAP + _min_width(column, texts)
        if needed <= width or not visible:
            visible.append(column)
            used = needed
    return visible


def _widths(cells: Mapping[str, Sequence[str]], width: int) -> dict[str, int]:
    """Return the widths of columns: the smallest, and what is left for those that need more, from the left."""
    widths = {column: _min_width(column, texts) for column, texts in cells.items()}
    rest = max(0, width - sum(widths.values()) - GAP * (len(widths) - 1))
    for column, texts in cells.items():
        added = min(rest, _natural_width(column, texts) - widths[column])
        widths[column] += added
        rest -= added
    return widths


def _min_width(column: str, texts: Sequence[str]) -> int:
    """Return the width of the longest word: columns are wrapped between words only."""
    words = [word for text in (_heading(column), *texts) for word in text.split()]
    return max((min(Text(word).cell_len, LONGEST_WORD) for word in words), default=1)


def _natural_width(column: str, texts: Sequence[str]) -> int:
    return max(Text(text).cell_len for text in (_heading(column), *texts))


def _heading(column: str) -> str:
    return column.replace("_", " ").upper()


def _name_hidden_columns(hidden: Sequence[str]) -> None:
    if hidden:
        Console(stderr=True, highlight=False).print(
            Text(f"Not shown in this width: {', '.join(hidden)} (--columns shows them).", style="dim")
        )


def _console() -> Console:
    # Output to a pipe has no width: nothing is cut or wrapped.
    return Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=10_000, no_color=True)
