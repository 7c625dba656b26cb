"""Checks of the whole database: counts, references and locks.

Each check reads one snapshot, in which what it checks has to be right. So servers may run meanwhile.
"""

from collections.abc import Sequence

from msgspec import Struct

from pileus.store.count_checks import WrongCount, correct_counts, find_wrong_counts
from pileus.store.database import Database
from pileus.store.project_contents import LOCKABLE
from pileus.store.references import REFERENCES, dangling_statement

MOST_FINDINGS = 100
"""The most findings of one check of references or locks; the first ones tell what is wrong."""
LOCKED = """
SELECT r.id, r.task_id FROM {table} r WHERE r.task_id IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM tasks t WHERE t.id = r.task_id AND t.finished_at IS NULL)
ORDER BY r.id LIMIT :limit
"""


class Finding(Struct, frozen=True, kw_only=True):
    """Something in the database that is not as it should be. `is_repairable`: a repair corrects it."""

    check: str
    subject: str
    problem: str
    is_repairable: bool = False


class DatabaseChecks:
    """The checks of a database."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def find_all(self) -> list[Finding]:
        """Return what is not as it should be."""
        counts = [_describe_count(count) for count in await find_wrong_counts(self._db)]
        return [*counts, *await self._find_dangling_references(), *await self._find_locks_without_task()]

    async def repair(self) -> list[Finding]:
        """Correct all wrong counts. Return what has been found before."""
        findings = await self.find_all()
        await correct_counts(self._db, await find_wrong_counts(self._db))
        return findings

    async def _find_dangling_references(self) -> list[Finding]:
        findings: list[Finding] = []
        for column in REFERENCES:
            rows = await self._read(f"{dangling_statement(column)} ORDER BY 1 LIMIT :limit")
            findings += [
                Finding(check="reference", subject=column, problem=f"{value} does not exist") for (value,) in rows
            ]
        return findings

    async def _find_locks_without_task(self) -> list[Finding]:
        findings: list[Finding] = []
        for table in LOCKABLE:
            rows = await self._read(LOCKED.format(table=table))
            findings += [
                Finding(check="lock", subject=f"{table} {record_id}", problem=f"task {task_id} does not run")
                for record_id, task_id in rows
            ]
        return findings

    async def _read(self, statement: str) -> Sequence[tuple[object, ...]]:
        async with self._db.scan() as tx:
            return await tx.all(statement, limit=MOST_FINDINGS)


def _describe_count(count: WrongCount) -> Finding:
    key = count.key
    name = f"{key.name} {key.part}".strip()
    return Finding(
        check="count",
        subject=f"{name} of {key.scope} {key.owner_id} in region {key.region_id}",
        problem=f"is {count.value}, should be {count.actual}",
        is_repairable=True,
    )
