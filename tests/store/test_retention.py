"""The statements that delete old rows use an index and look at no other rows."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from pileus.domain.compute.instances import Instance
from pileus.store import retention
from pileus.store.database import Database
from pileus.store.retention import EXPIRING_TABLES


@pytest.mark.parametrize("url", [""], ids=["sqlite"])
async def test_every_batch_is_found_by_an_index(db: Database) -> None:
    plans = []
    for table in EXPIRING_TABLES:
        batch = retention.RowBatch(table=table, client_id=1, start=0, end=9, before=9)
        recorder = StatementRecorder()
        await retention.find_batch(recorder, table, 1, 0, 9)
        await retention.remove_batch(recorder, batch)
        async with db.read() as tx:
            for sql, values in recorder.statements:
                plans += [row[-1] for row in await tx.all(f"EXPLAIN QUERY PLAN {sql}", **values)]

    assert [plan for plan in plans if plan.startswith("SCAN") or "TEMP B-TREE" in plan] == []
    assert len(plans) >= 2 * len(EXPIRING_TABLES)


@dataclass(slots=True)
class StatementRecorder:
    """A transaction that records statements instead of executing them."""

    statements: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    secrets: Any = None
    count_changes: Any = None
    stamp: int = 0
    stamped: set[tuple[str, ...]] = field(default_factory=set)
    saved_instances: dict[str, Instance] = field(default_factory=dict)

    async def run(self, sql: str, **values: Any) -> int:
        """Record a statement."""
        self.statements.append((sql, values))
        return 0

    async def send(self, sql: str, **values: Any) -> None:
        """Record a statement."""
        await self.run(sql, **values)

    async def lock(self, sql: str, **values: Any) -> None:
        """Record a statement."""
        await self.run(sql, **values)

    async def one(self, sql: str, **values: Any) -> None:
        """Record a statement."""
        await self.run(sql, **values)

    async def all(self, sql: str, **values: Any) -> list[Any]:
        """Record a statement."""
        await self.run(sql, **values)
        return []
