"""Parts of a transaction that can fail without the rest."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pileus.domain.errors import Problem
from pileus.store.database import Tx


@asynccontextmanager
async def undo_on_problem(tx: Tx) -> AsyncIterator[None]:
    """Undo what the block has written and counted if it raises a Problem, which is raised on."""
    counts, stamped = tx.count_changes.copy(), set(tx.stamped)
    await tx.run("SAVEPOINT block")
    try:
        yield
    except Problem:
        await tx.run("ROLLBACK TO SAVEPOINT block")
        await tx.run("RELEASE SAVEPOINT block")
        tx.count_changes.restore(counts)
        tx.saved_instances.clear()
        tx.stamped.clear()
        tx.stamped.update(stamped)
        raise
    await tx.run("RELEASE SAVEPOINT block")
