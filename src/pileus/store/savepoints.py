"""Parts of a transaction that can fail without the rest."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pileus.domain.errors import Problem
from pileus.store.database import Tx


@asynccontextmanager
async def undo_on_problem(tx: Tx) -> AsyncIterator[None]:
    """Undo what the block has written and counted if it raises a Problem, which is raised on."""
    counts = tx.count_changes.copy()
    await tx.run("SAVEPOINT block")
    try:
        yield
    except Problem:
        await tx.run("ROLLBACK TO SAVEPOINT block")
        await tx.run("RELEASE SAVEPOINT block")
        tx.count_changes.restore(counts)
        raise
    await tx.run("RELEASE SAVEPOINT block")
