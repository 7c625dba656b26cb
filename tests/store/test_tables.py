"""The list of all tables is that of the schema, in an order in which they can be filled."""

from pileus.store.database import Database
from pileus.store.sqlite import Sqlite
from pileus.store.tables import STORED_TABLES
from tests.store.test_schema import TABLES, select

POSITIONS = {table.name: position for position, table in enumerate(STORED_TABLES)}


async def test_every_table_of_the_schema_is_listed_once(db: Database) -> None:
    tables = {str(row[0]) for row in await select(db, TABLES)}

    assert sorted(table.name for table in STORED_TABLES) == sorted(tables)


async def test_a_table_stands_behind_those_that_it_refers_to(db: Database) -> None:
    if not isinstance(db, Sqlite):
        return
    async with db.read() as tx:
        pairs = [
            (table, str(row[0]))
            for table in POSITIONS
            for row in await tx.all(f"SELECT \"table\" FROM pragma_foreign_key_list('{table}')")
        ]

    assert pairs
    assert [pair for pair in pairs if POSITIONS[pair[0]] <= POSITIONS[pair[1]]] == []


async def test_every_condition_can_be_used(db: Database) -> None:
    async with db.read() as tx:
        for table in STORED_TABLES:
            for condition in filter(None, (table.of_project, table.of_tenant, table.kept)):
                await tx.all(f"SELECT 1 FROM {table.name} WHERE {condition}", client_id=1, project_id=1)
