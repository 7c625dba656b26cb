"""Mapping between records and rows."""

import importlib
import pkgutil
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import replace

import pileus.store
from pileus.domain.errors import Stale
from pileus.store.database import Database, Tx
from pileus.store.rows import ROWS_PER_INSERT, Table, in_list_placeholders
from tests.recorded_transactions import RecordedTx
from tests.store.test_schema import TABLES, select


class Thing(Struct, frozen=True, kw_only=True):
    """A record with a field of each type."""

    id: str
    name: str
    size: int | None = None
    lit: bool = False
    notes: list[str] = []
    facts: dict[str, Any] | None = None
    revision: int = 1


THINGS = Table("things", Thing)
FULL = Thing(id="t-1", name="näme", size=2**62, lit=True, notes=["a", "b:c"], facts={"x": [1, None]})
CREATE = """
CREATE TABLE things (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, size BIGINT, lit INTEGER NOT NULL, notes TEXT NOT NULL, facts TEXT,
    revision BIGINT NOT NULL
)
"""


@pytest.fixture
async def things(db: Database) -> Database:
    """A database with a table of things."""
    await db.write(lambda tx: tx.run(CREATE))
    return db


async def find_thing(db: Database, thing_id: str = "t-1") -> Thing | None:
    async with db.read() as tx:
        return await THINGS.find_one(tx, "id = :id", id=thing_id)


@pytest.mark.parametrize("thing", [FULL, Thing(id="t-1", name=""), replace(FULL, facts={}, notes=[], size=0)])
async def test_a_record_is_read_as_it_was_written(things: Database, thing: Thing) -> None:
    await things.write(lambda tx: THINGS.add(tx, thing))

    assert await find_thing(things) == thing
    async with things.scan() as tx:
        assert await THINGS.find(tx, "lit = :lit", lit=int(thing.lit)) == [thing]


async def test_many_records_are_inserted_by_few_statements(things: Database) -> None:
    records = [replace(FULL, id=f"t-{number}", lit=number % 2 == 0) for number in range(ROWS_PER_INSERT + 1)]

    async def write(tx: Tx) -> int:
        recorded = RecordedTx(tx)
        await THINGS.add_all(recorded, [])
        await THINGS.add_all(recorded, records)
        return len(recorded.statements)

    assert await things.write(write) == 2
    async with things.scan() as tx:
        assert sorted(await THINGS.find(tx, "1 = 1"), key=lambda thing: int(thing.id[2:])) == records


async def test_a_missing_record_is_none(things: Database) -> None:
    assert await find_thing(things, "nobody") is None


async def test_save_writes_only_changed_fields(things: Database) -> None:
    await things.write(lambda tx: THINGS.add(tx, FULL))
    after = replace(FULL, lit=False, facts=None)
    statements: list[str] = []

    async def write(tx: Tx) -> Thing:
        recorded = RecordedTx(tx)
        saved = await THINGS.save(recorded, FULL, after)
        statements.extend(recorded.statements)
        return saved

    saved = await things.write(write)

    assert saved == replace(after, revision=2) == await find_thing(things)
    (statement,) = statements
    assert "lit = :lit, facts = :facts, revision" in statement
    assert "name" not in statement


async def test_save_of_an_unchanged_record_writes_nothing(things: Database) -> None:
    await things.write(lambda tx: THINGS.add(tx, FULL))

    assert await things.write(lambda tx: THINGS.save(tx, FULL, FULL)) == FULL
    assert await find_thing(things) == FULL


async def test_the_second_of_two_writers_raises_stale(things: Database) -> None:
    await things.write(lambda tx: THINGS.add(tx, FULL))
    await things.write(lambda tx: THINGS.save(tx, FULL, replace(FULL, name="first")))

    with pytest.raises(Stale, match="Thing t-1 was changed by another request"):
        await things.write(lambda tx: THINGS.save(tx, FULL, replace(FULL, name="second")))

    assert await find_thing(things) == replace(FULL, name="first", revision=2)


async def test_save_of_a_deleted_record_raises_stale(things: Database) -> None:
    with pytest.raises(Stale):
        await things.write(lambda tx: THINGS.save(tx, FULL, replace(FULL, name="other")))


async def test_bump_revision_writes_the_revision_only(things: Database) -> None:
    await things.write(lambda tx: THINGS.add(tx, FULL))

    touched = await things.write(lambda tx: THINGS.bump_revision(tx, FULL))

    assert touched == replace(FULL, revision=2) == await find_thing(things)
    with pytest.raises(Stale, match="Thing t-1 was changed by another request"):
        await things.write(lambda tx: THINGS.bump_revision(tx, FULL))


async def test_remove_can_be_repeated(things: Database) -> None:
    await things.write(lambda tx: THINGS.add(tx, FULL))

    await things.write(lambda tx: THINGS.remove(tx, "t-1"))
    await things.write(lambda tx: THINGS.remove(tx, "t-1"))

    assert await find_thing(things) is None


@pytest.mark.parametrize("ids", [[], ["t-1"], ["t-1", "t-2", "nobody"]])
async def test_in_list_finds_the_listed_values(things: Database, ids: list[str]) -> None:
    await things.write(lambda tx: THINGS.add(tx, FULL))
    await things.write(lambda tx: THINGS.add(tx, replace(FULL, id="t-2")))
    marks, values = in_list_placeholders("id", ids)

    async with things.read() as tx:
        records = await THINGS.find(tx, f"id IN ({marks}) ORDER BY id", **values)

    assert [thing.id for thing in records] == [thing_id for thing_id in ids if thing_id != "nobody"]


def _store_tables() -> list[Table[Any]]:
    packages = pkgutil.walk_packages(pileus.store.__path__, "pileus.store.")
    modules = [importlib.import_module(module.name) for module in packages]
    tables = {value.name: value for module in modules for value in vars(module).values() if isinstance(value, Table)}
    return [tables[name] for name in sorted(tables)]


@pytest.mark.parametrize("table", _store_tables(), ids=lambda table: table.name)
async def test_fields_and_columns_are_the_same(db: Database, table: Table[Any]) -> None:
    columns = [column for name, column, _ in await select(db, TABLES) if name == table.name]

    assert sorted(map(str, columns)) == sorted(table.fields)
