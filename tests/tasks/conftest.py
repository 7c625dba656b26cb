"""A worker's stage, on both databases."""

from pathlib import Path

import pytest

from pileus.store.database import Database
from tests.tasks.workers import Stage, a_driver


@pytest.fixture
def stage(db: Database, tmp_path: Path) -> Stage:
    """A database, a clock that is set by hand, machines, and a journal."""
    return Stage(db, a_driver(tmp_path))
