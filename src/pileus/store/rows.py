"""Mapping between records and table rows: a column for each field, with the same name."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from operator import attrgetter
from types import UnionType
from typing import Any, Generic, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct
from msgspec.structs import astuple

from pileus.domain.errors import Stale, not_found
from pileus.store.database import FOR_CHANGE, FOR_USE, Row, Tx
from pileus.store.loop_turns import build_in_turns
from pileus.store.table_counts import TableCounts

R = TypeVar("R", bound=Struct)
ROWS_PER_INSERT = 50
PLAIN_TYPES = (str, int, type(None))
AGE = attrgetter("created_at", "id")
"""Sorts a few records, oldest first: a sorter of the database costs as much as the rest of a short statement."""


class Table(Generic[R]):
    """A table of one type of record; booleans are stored as 0 or 1, and values other than text and numbers as JSON.

    `secrets` names JSON columns that are encrypted, each with the function that says whether a value holds a secret.
    """

    def __init__(
        self, name: str, record: type[R], key: str = "id", secrets: Mapping[str, Callable[[Any], bool]] | None = None
    ) -> None:
        self.name = name
        self.secrets = secrets or {}
        self._record = record
        self._key = key
        self.fields = record.__struct_fields__
        self.columns = ", ".join(self.fields)
        hints = get_type_hints(record)
        self._decoders = {field: _decoder(hints[field]) for field in self.fields if not _is_plain(hints[field])}
        self._read = _make_reader(record, self._decoders, self.secrets)
        marks = ", ".join(f":{field}" for field in self.fields)
        self._insert = f"INSERT INTO {name} ({self.columns}) VALUES ({marks})"
        self._counts = TableCounts(name)

    def qualified_columns(self, alias: str) -> str:
        """Return the columns, for a statement that names the table `alias`."""
        return ", ".join(f"{alias}.{field}" for field in self.fields)

    def record_from_row(self, tx: Tx, row: Row) -> R:
        """Convert a row that begins with the columns."""
        return self._read(row, tx.secrets.decrypt)

    def records_from_rows(self, tx: Tx, rows: Iterable[Row]) -> list[R]:
        """Convert rows."""
        return [self.record_from_row(tx, row) for row in rows]

    def column_values(self, tx: Tx, record: R) -> dict[str, Any]:
        """Return the parameters that write a record."""
        values = msgspec.structs.asdict(record)
        for field in self._decoders:
            values[field] = self.column_value(tx, field, values[field])
        return values

    def column_value(self, tx: Tx, field: str, value: Any) -> Any:
        """Convert a field's value to the value of its column."""
        if field not in self._decoders or value is None:
            return value
        if isinstance(value, bool):
            return int(value)
        text = msgspec.json.encode(value).decode()
        return tx.secrets.encrypt(text) if field in self.secrets and self.secrets[field](value) else text

    def field_value(self, tx: Tx, field: str, text: str) -> Any:
        """Convert the text of a JSON column to the value of its field."""
        return self._decoders[field](tx.secrets.decrypt(text) if field in self.secrets else text)

    async def add(self, tx: Tx, record: R) -> R:
        """Insert a record."""
        await tx.send(self._insert, **self.column_values(tx, record))
        self._counts.note_added(tx, record)
        return record

    async def add_all(self, tx: Tx, records: Sequence[R]) -> None:
        """Insert records, many by one statement."""
        for start in range(0, len(records), ROWS_PER_INSERT):
            marks: list[str] = []
            values: dict[str, Any] = {}
            for number, record in enumerate(records[start : start + ROWS_PER_INSERT]):
                row = {f"{field}_{number}": value for field, value in self.column_values(tx, record).items()}
                marks.append(f"({', '.join(f':{name}' for name in row)})")
                values |= row
                self._counts.note_added(tx, record)
            await tx.send(f"INSERT INTO {self.name} ({self.columns}) VALUES {', '.join(marks)}", **values)

    async def save(self, tx: Tx, before: R, after: R, *, is_locked: bool = False) -> R:
        """Write the fields that differ between two states of a record; raises Stale if another request changed it.

        `is_locked` says that the transaction has read `before` FOR_CHANGE, so that nobody else can change it.
        """
        if after is before:
            return after
        changed = self._list_changed_fields(before, after)
        if not changed:
            return after
        values = {field: self.column_value(tx, field, getattr(after, field)) for field in changed}
        key, revision = getattr(before, self._key), before.revision  # type: ignore[attr-defined]
        statement = _update(self.name, self._key, changed)
        values |= {"row_key": key, "row_revision": revision}
        if is_locked:
            await tx.send(statement, **values)
        elif not await tx.run(statement, **values):
            raise Stale(f"{self._record.__name__} {key} was changed by another request")
        self._counts.note_changed(tx, before, after, changed)
        return msgspec.structs.replace(after, revision=revision + 1)

    def _list_changed_fields(self, before: R, after: R) -> tuple[str, ...]:
        states = zip(self.fields, astuple(before), astuple(after), strict=True)
        return tuple([field for field, old, new in states if old is not new and old != new])

    def note_change(self, tx: Tx, before: R, after: R) -> None:
        """Note what a change by a statement other than those of this class does to the counts."""
        self._counts.note_changed(tx, before, after, self._list_changed_fields(before, after))

    async def bump_revision(self, tx: Tx, record: R) -> R:
        """Increase the record's revision although no column changes.

        A change in a child table then conflicts with concurrent writers. Raises Stale.
        """
        key, revision = getattr(record, self._key), record.revision  # type: ignore[attr-defined]
        if not await tx.run(_update(self.name, self._key, ()), row_key=key, row_revision=revision):
            raise Stale(f"{self._record.__name__} {key} was changed by another request")
        return msgspec.structs.replace(record, revision=revision + 1)

    async def find(self, tx: Tx, where: str, **values: Any) -> list[R]:
        """Return the records for which a condition holds."""
        return self.records_from_rows(
            tx, await tx.all(f"SELECT {self.columns} FROM {self.name} WHERE {where}", **values)
        )

    async def find_many(self, tx: Tx, where: str, **values: Any) -> list[R]:
        """Return the records of a list, converted in turns, so that others do not wait. Not for use in a write."""
        rows = await tx.all(f"SELECT {self.columns} FROM {self.name} WHERE {where}", **values)
        return await build_in_turns(self.record_from_row(tx, row) for row in rows)

    async def find_one(self, tx: Tx, where: str, **values: Any) -> R | None:
        """Return the first record for which a condition holds, or None."""
        row = await tx.one(f"SELECT {self.columns} FROM {self.name} WHERE {where}", **values)
        return None if row is None else self.record_from_row(tx, row)

    async def find_by_id(self, tx: Tx, record_id: str | int) -> R | None:
        """Return the record with an id, of any tenant, or None."""
        return await self.find_one(tx, "id = :id", id=record_id)

    async def require_by_id(self, tx: Tx, record_id: str | int) -> R:
        """Return the record with an id, of any tenant. Raises NotFound."""
        record = await self.find_by_id(tx, record_id)
        if record is None:
            raise not_found(self._record.NOUN, record_id)  # type: ignore[attr-defined]
        return record

    async def lock(self, tx: Tx, record_id: str | int) -> R:
        """Return the record with an id, locked until the transaction ends: nobody else uses it. Raises NotFound."""
        record = await self.find_one(tx, f"id = :id {FOR_CHANGE}", id=record_id)
        if record is None:
            raise not_found(self._record.NOUN, record_id)  # type: ignore[attr-defined]
        return record

    async def lock_for_use(self, tx: Tx, record_id: str | int) -> R | None:
        """Return the record with an id, or None: nobody changes or deletes it until the transaction ends."""
        return await self.find_one(tx, f"id = :id {FOR_USE}", id=record_id)

    async def remove(self, tx: Tx, key: str | int) -> None:
        """Delete a record by its key; does nothing if it does not exist."""
        await self.remove_all(tx, f"{self._key} = :row_key", row_key=key)

    async def remove_all(self, tx: Tx, where: str, **values: Any) -> None:
        """Delete the records for which a condition holds."""
        await self._counts.delete(tx, where, **values)


@lru_cache(maxsize=512)
def _update(table: str, key: str, changed: tuple[str, ...]) -> str:
    sets = "".join(f"{field} = :{field}, " for field in changed)
    return f"UPDATE {table} SET {sets}revision = revision + 1 WHERE {key} = :row_key AND revision = :row_revision"


def _make_reader(
    record: type[R], decoders: Mapping[str, Callable[[Any], Any]], secrets: Iterable[str]
) -> Callable[[Row, Callable[[str | None], str | None]], R]:
    """Return a function that makes a record of a row, given how to decrypt a secret.

    It is compiled for the type, as the constructor of a dataclass is: pages of lists call it a thousand times.
    """
    values = {field: f"row[{position}]" for position, field in enumerate(record.__struct_fields__)}
    for field in secrets:
        values[field] = f"decrypt({values[field]})"
    for field in decoders:
        values[field] = f"None if (value := {values[field]}) is None else decode_{field}(value)"
    arguments = ", ".join(f"{field}=({value})" for field, value in values.items())
    names = {"record": record, **{f"decode_{field}": decode for field, decode in decoders.items()}}
    read: Callable[[Row, Callable[[str | None], str | None]], R] = eval(  # noqa: S307  # made of names in our own source only
        f"lambda row, decrypt: record({arguments})", names
    )
    return read


def _is_plain(hint: Any) -> bool:
    choices = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    return all(choice in PLAIN_TYPES for choice in choices)


def _decoder(hint: Any) -> Callable[[Any], Any]:
    if hint is bool:
        return bool
    return msgspec.json.Decoder(hint).decode


def in_list_placeholders(name: str, values: Sequence[Any]) -> tuple[str, dict[str, Any]]:
    """Return the marks inside `IN (…)` for a list of values, and their parameters."""
    parameters = {f"{name}_{number}": value for number, value in enumerate(values)}
    return ", ".join(f":{parameter}" for parameter in parameters) or "NULL", parameters
