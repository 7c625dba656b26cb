"""The list of references names every column of the schema that refers to a record."""

from pileus.store.database import Database
from pileus.store.references import MAY_DANGLE, REFERENCES, TARGETS, dangling_statement
from tests.store.test_schema import TABLES, select


async def test_every_reference_of_the_schema_is_listed(db: Database) -> None:
    columns = {
        f"{table}.{column}"
        for table, column, _ in await select(db, TABLES)
        if column in TARGETS.keys() | {"resource_id"}
    }

    assert columns == {*REFERENCES, *MAY_DANGLE}


async def test_every_reference_can_be_checked(db: Database) -> None:
    async with db.scan() as tx:
        dangling = {column: await tx.all(dangling_statement(column)) for column in REFERENCES}

    assert [column for column, rows in dangling.items() if rows] == []
