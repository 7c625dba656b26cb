"""A server deletes old rows by its settings."""

import asyncio
import time
from pathlib import Path
from typing import Any

from pileus.app import run_cloud
from pileus.domain.retention import DAY
from pileus.domain.tasks import TaskState
from pileus.initial_data import open_seeded_database
from pileus.settings import Settings
from pileus.store import tasks
from pileus.store.database import Database, Tx
from pileus.tasks.retention import CLAIM
from tests.tasks.workers import a_task


async def has_run(db: Database) -> bool:
    """Return whether a run has ended: the next one is planned for later than a claim lasts."""
    async with db.read() as tx:
        row = await tx.one("SELECT next_run_at FROM retention")
    return row is not None and row[0] > time.time_ns() // 1000 + 2 * CLAIM


async def wait_for_a_run(db: Database) -> None:
    async with asyncio.timeout(60):
        while True:
            await asyncio.sleep(0)
            if await has_run(db):
                return


async def test_a_server_deletes_old_rows_by_its_settings(tmp_path: Path) -> None:
    now = time.time_ns() // 1000
    settings = Settings(data=tmp_path, task_days=3, log_level="error")

    async def add_tasks(tx: Tx) -> None:
        for days in (2, 4):
            then = now - days * DAY
            times: dict[str, Any] = {"created_at": then, "finished_at": then}
            await tasks.add(tx, a_task(id=f"{days} days old", state=TaskState.FINISHED, **times))

    async with open_seeded_database(settings) as prepared:
        await prepared.db.write(add_tasks)

    async with run_cloud(settings, exclusive=True) as cloud:
        await wait_for_a_run(cloud.app_state.db)
        async with cloud.app_state.db.read() as tx:
            rows = await tx.all("SELECT id FROM tasks")

    assert [row[0] for row in rows] == ["2 days old"]
