"""The page on growth names every table, and says of each when its rows are deleted."""

import re
from pathlib import Path

import pytest

from pileus.settings import Settings
from pileus.store.database import Database
from pileus.store.retention import EXPIRING_TABLES

PAGE = Path(__file__).parents[2] / "docs" / "growth.md"
ROWS = [line.split("|")[1:4] for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
SETTINGS = {name: getattr(Settings(), name) for name in ("audit_log_days", "task_days", "usage_days")}


@pytest.mark.parametrize("url", [""], ids=["sqlite"])
async def test_every_table_is_on_the_page_once(db: Database) -> None:
    async with db.scan() as tx:
        tables = [row[0] for row in await tx.all(TABLES)]

    assert sorted(name for row in ROWS for name in re.findall(r"`(\w+)`", row[0])) == tables


def test_tables_whose_rows_are_deleted_by_age_name_their_setting() -> None:
    deleted = {name: row[2] for row in ROWS for name in re.findall(r"`(\w+)`", row[0])}

    named = {name for name, text in deleted.items() if any(f"`{setting}`" in text for setting in SETTINGS)}
    assert named | {"login_sessions"} == {table.name for table in EXPIRING_TABLES}


def test_the_defaults_on_the_page_are_those_of_the_settings() -> None:
    numbers = re.findall(r"`(\w+_days)` \((\d+)\)", PAGE.read_text(encoding="utf-8"))

    assert {name: int(number) for name, number in numbers} == SETTINGS
