"""A database whose disk is full: changes are refused with the reason, and work when it has room again."""

import logging
from pathlib import Path
from typing import Any

import pytest
from psycopg import errors

from pileus.app import run_cloud
from pileus.domain.errors import Unavailable
from pileus.store.database import Database
from pileus.store.disk_failures import DISK_FAILURES, DISK_FULL
from pileus.store.postgres_connections import PostgresConnections
from tests.app_settings import checked_settings
from tests.tenants import new_tenant

LIMIT = 60
"""Keys that are created until the free pages of a database are used up."""


def limit_pages(db: Database, *, is_full: bool) -> None:
    """Let SQLite's writer have no page more than there are, or as many as it needs."""
    writer: Any = vars(db)["_writer"]
    (count,) = writer.execute("PRAGMA page_count").fetchone()
    writer.execute(f"PRAGMA max_page_count={count if is_full else 1_000_000}")


async def test_changes_are_refused_with_the_reason_until_there_is_room(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with run_cloud(checked_settings(data=tmp_path)) as cloud, new_tenant(cloud) as tenant:
        path = f"/cloud/v1/ssh_keys/{tenant.project_id}"

        async def create(number: int) -> Any:
            return await tenant.api.post(path, json={"name": f"key-{number}"})

        limit_pages(cloud.app_state.db, is_full=True)
        with caplog.at_level(logging.ERROR):
            answers = [await create(number) for number in range(LIMIT)]
            readiness = await tenant.api.get("/readyz")
        listed = await tenant.api.get(path)
        limit_pages(cloud.app_state.db, is_full=False)
        ready_again, created = await tenant.api.get("/readyz"), await create(LIMIT)

    statuses = [answer.status_code for answer in answers]
    assert statuses == sorted(statuses)
    assert statuses[-1] == 503
    assert (answers[-1].json()["exception_class"], answers[-1].json()["message"]) == ("ServiceUnavailable", DISK_FULL)
    own = [record for record in caplog.records if record.name.startswith("pileus")]
    assert [(record.message, record.exc_info) for record in own] == [(DISK_FULL, None)]
    assert (readiness.status_code, listed.status_code) == (503, 200)
    assert DISK_FULL in readiness.json()["message"]
    assert (ready_again.status_code, created.status_code) == (200, 201)


def test_a_full_disk_of_postgres_is_the_same_problem() -> None:
    connections = PostgresConnections("postgresql:///none", 1)
    pooled: Any = type("Pooled", (), {"connection": None})

    problem = connections.translate(pooled, errors.DiskFull("could not extend file"))
    DISK_FAILURES.end()

    assert isinstance(problem, Unavailable)
    assert problem.message == DISK_FULL
