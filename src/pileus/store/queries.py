"""Lists: the conditions that narrow one down, and a page of what is left."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from msgspec import Struct

from pileus.store.database import Tx
from pileus.store.rows import Table, in_list

R = TypeVar("R", bound=Struct)
TEXTS = frozenset({"name"})
"""Columns to order by that hold text: both databases are to sort them by the characters' numbers."""

TAGGED = "id IN (SELECT resource_id FROM tags WHERE kind = "


class Where:
    """Conditions that must all hold; those that nobody asks for (None, or an empty list) are left out."""

    def __init__(self, condition: str, **values: Any) -> None:
        self._conditions = [condition]
        self.values = values

    def __str__(self) -> str:
        return " AND ".join(f"({condition})" for condition in self._conditions)

    def add(self, condition: str, **values: Any) -> "Where":
        """Ask for one more."""
        self._conditions.append(condition)
        self.values |= values
        return self

    def equal(self, column: str, value: Any) -> "Where":
        """Ask for one value."""
        return self if value is None else self.add(f"{column} = :{column}", **{column: value})

    def any_of(self, column: str, values: Sequence[Any] | None) -> "Where":
        """Ask for one of several values."""
        if not values:
            return self
        marks, named = in_list(column, values)
        return self.add(f"{column} IN ({marks})", **named)

    def equal_ignoring_case(self, column: str, text: str | None) -> "Where":
        """Ask for a text, in letters of any case."""
        return self if text is None else self.add(f"lower({column}) = lower(:{column})", **{column: text})

    def contains(self, column: str, text: str | None) -> "Where":
        """Ask for a part of a text, in letters of any case."""
        if text is None:
            return self
        return self.add(f"lower({column}) LIKE lower(:{column}) ESCAPE '\\'", **{column: f"%{escape_like(text)}%"})

    def with_tags(self, kind: str, keys: Sequence[str] | None, pairs: Mapping[str, str] | None) -> "Where":
        """Ask for things that have all of these tags, whatever their value or with it."""
        for at, key in enumerate(keys or ()):
            self.add(f"{TAGGED}'{kind}' AND key = :tag_{at})", **{f"tag_{at}": key})
        for at, (key, value) in enumerate((pairs or {}).items()):
            pair = {f"pair_{at}": key, f"value_{at}": value}
            self.add(f"{TAGGED}'{kind}' AND key = :pair_{at} AND value = :value_{at})", **pair)
        return self

    def between(self, column: str, since: int | None, until: int | None) -> "Where":
        """Ask for a range, its ends included."""
        if since is not None:
            self.add(f"{column} >= :since", since=since)
        return self if until is None else self.add(f"{column} <= :until", until=until)


def escape_like(text: str) -> str:
    """A text for LIKE that stands for itself."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def order_by(order_by: str) -> str:
    """What stands after ORDER BY for the API's `column.direction`; things that are equal in it come by their ids."""
    column, _, direction = order_by.partition(".")
    collation = " COLLATE BINARY" if column in TEXTS else ""
    return f"{column}{collation} {direction}, id {direction}"


async def query_page(  # noqa: PLR0913  # each is a fact of its own
    tx: Tx, table: Table[R], where: Where, order_by: str, *, limit: int, offset: int
) -> tuple[int, list[R]]:
    """How many records there are, and some of them."""
    row = await tx.one(f"SELECT count(*) FROM {table.name} WHERE {where}", **where.values)  # our own words
    records = await table.find(
        tx, f"{where} ORDER BY {order_by} LIMIT :limit OFFSET :offset", **where.values, limit=limit, offset=offset
    )
    return (row[0] if row else 0), records
