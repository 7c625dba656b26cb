"""Lookups by id: their cost does not depend on what other tenants have, so it tells nothing about them."""

from pathlib import Path

import pytest

from pileus.store import scoped
from pileus.store.compute import images
from pileus.store.network import networks, subnets
from pileus.store.schema import open_database

CONDITIONS = {
    "instances": scoped.IN_PLACE,
    "images": images.VISIBLE,
    "networks": networks.VISIBLE,
    "subnets": subnets.USABLE,
}


@pytest.mark.parametrize("table", CONDITIONS)
async def test_a_lookup_reads_rows_by_primary_key_only(tmp_path: Path, table: str) -> None:
    database = await open_database("", tmp_path)
    statement = f"EXPLAIN QUERY PLAN SELECT * FROM {table} WHERE id = :id AND ({CONDITIONS[table]})"

    async with database.read() as tx:
        rows = await tx.all(statement, id="x", client_id=1, project_id=1, region_id=1)
    await database.close()

    reads = [str(row[3]) for row in rows if str(row[3]).startswith(("SEARCH", "SCAN"))]
    assert reads
    assert [read for read in reads if not read.endswith("(id=?)")] == []
