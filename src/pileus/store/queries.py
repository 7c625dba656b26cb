"""Filters, sort orders and pages of lists."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from msgspec import Struct

from pileus.domain.places import Place
from pileus.store import resource_counts
from pileus.store.database import Tx
from pileus.store.rows import Table, in_list_placeholders
from pileus.store.scoped import IN_PLACE, place_parameters
from pileus.store.table_counts import is_counted_by_project

R = TypeVar("R", bound=Struct)
TEXTS = frozenset(
    {"name", "address", "flavor_name", "operating_status", "provisioning_status", "vip_address", "vip_ip_family"}
)
"""Text columns that lists can be sorted by. They are compared by code point, so that SQLite and PostgreSQL agree."""


class Where:
    """Conditions that must all hold, with their parameters. A filter that is None or empty adds no condition.

    Conditions on the columns of a scope (see `in_scope`) select the list's own index. SQLite would walk that index even
    where a selective condition (a tag, a port) leaves few rows: `+ 0` keeps it off the index, so that it starts from
    the selective condition.
    """

    def __init__(self, condition: str = "", **values: Any) -> None:
        self._conditions = [condition] if condition else []
        self._prefix = ""
        self._scope: tuple[str, ...] = ()
        self._selective = False
        self._place: Place | None = None
        self.values = values

    @classmethod
    def of_place(cls, place: Place) -> "Where":
        """Require the tenant, project and region of a place. Without further conditions, nothing has to be counted."""
        where = cls(IN_PLACE, **place_parameters(place))
        where._place = place
        return where

    @classmethod
    def in_scope(cls, alias: str, **scope: Any) -> "Where":
        """Require the values of a scope's columns, of rows and of their tags, in a table that is named `alias`."""
        where = cls(**scope)
        where._prefix, where._scope = f"{alias}.", tuple(scope)
        return where

    def __str__(self) -> str:
        hint = " + 0" if self._selective else ""
        scope = [f"{self._prefix}{column}{hint} = :{column}" for column in self._scope]
        return " AND ".join(f"({condition})" for condition in (*scope, *self._conditions))

    def add(self, condition: str, **values: Any) -> "Where":
        """Require a condition."""
        self._conditions.append(condition)
        self._place = None
        self.values |= values
        return self

    @property
    def is_selective(self) -> bool:
        """Return whether a condition leaves few rows."""
        return self._selective

    async def count(self, tx: Tx, table: str) -> int:
        """Count the rows of a table for which the conditions hold."""
        if self._place is not None and is_counted_by_project(table):
            return await resource_counts.count_of_project(tx, self._place, table)
        row = await tx.one(f"SELECT count(*) FROM {table} WHERE {self}", **self.values)
        return int(row[0]) if row else 0

    def add_selective_condition(self, condition: str, **values: Any) -> "Where":
        """Require a condition that leaves few rows."""
        self._selective = True
        return self.add(condition, **values)

    def equal(self, column: str, value: Any) -> "Where":
        """Require a value."""
        return self if value is None else self.add(f"{self._prefix}{column} = :{column}", **{column: value})

    def any_of(self, column: str, values: Sequence[Any] | None) -> "Where":
        """Require one of several values."""
        if not values:
            return self
        marks, parameters = in_list_placeholders(column, values)
        return self.add(f"{self._prefix}{column} IN ({marks})", **parameters)

    def equal_ignoring_case(self, column: str, text: str | None) -> "Where":
        """Require a text, in upper or lower case."""
        if text is None:
            return self
        return self.add(f"lower({self._prefix}{column}) = lower(:{column})", **{column: text})

    def contains(self, column: str, text: str | None) -> "Where":
        """Require a part of the text, in upper or lower case."""
        return self if text is None else self._like(column, f"%{escape_like(text)}%")

    def starts_with(self, column: str, text: str | None) -> "Where":
        """Require the beginning of the text, in upper or lower case."""
        return self if text is None else self._like(column, f"{escape_like(text)}%")

    def _like(self, column: str, pattern: str) -> "Where":
        return self.add(f"lower({self._prefix}{column}) LIKE lower(:{column}) ESCAPE '\\'", **{column: pattern})

    def with_matching_tag(self, kind: str, condition: str, **values: Any) -> "Where":
        """Require a tag for which a condition on the table of tags holds."""
        scope = "".join(f" AND {column} = :{column}" for column in self._scope)
        tagged = f"SELECT resource_id FROM tags WHERE kind = '{kind}'{scope} AND {condition}"
        return self.add_selective_condition(f"{self._prefix}id IN ({tagged})", **values)

    def with_tags(self, kind: str, keys: Sequence[str] | None, pairs: Mapping[str, str] | None) -> "Where":
        """Require all of the tags: `keys` with any value, `pairs` with the value given."""
        for number, key in enumerate(keys or ()):
            self.with_matching_tag(kind, f"key = :tag_{number}", **{f"tag_{number}": key})
        for number, (key, value) in enumerate((pairs or {}).items()):
            parameters = {f"pair_{number}": key, f"value_{number}": value}
            self.with_matching_tag(kind, f"key = :pair_{number} AND value = :value_{number}", **parameters)
        return self

    def between(self, column: str, since: int | None, until: int | None) -> "Where":
        """Require a range, inclusive at both ends."""
        if since is not None:
            self.add(f"{self._prefix}{column} >= :since", since=since)
        return self if until is None else self.add(f"{self._prefix}{column} <= :until", until=until)


def escape_like(text: str) -> str:
    """Escape the wildcards of LIKE."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def order_by_expression(order_by: str) -> str:
    """Turn the API's `column.direction` into an ORDER BY expression; ties are sorted by id."""
    column, _, direction = order_by.partition(".")
    collation = " COLLATE BINARY" if column in TEXTS else ""
    return f"{column}{collation} {direction}, id {direction}"


async def page(tx: Tx, table: Table[R], where: Where, order_by: str, *, limit: int, offset: int) -> tuple[int, list[R]]:
    """Return the total number of matching records and one page of them. The total follows from a page with room."""
    records = await table.find_many(
        tx, f"{where} ORDER BY {order_by} LIMIT :limit OFFSET :offset", **where.values, limit=limit, offset=offset
    )
    if is_last_page(len(records), limit, offset):
        return offset + len(records), records
    return await where.count(tx, table.name), records


def is_last_page(length: int, limit: int, offset: int) -> bool:
    """Return whether a page of this length is the last one, so that the total is known."""
    return length < limit and (length > 0 or offset == 0)
