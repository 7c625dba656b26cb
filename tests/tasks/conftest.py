"""A workbench on each database."""

from pathlib import Path

import pytest

from pileus.store.database import Database
from tests.tasks.workers import Workbench, a_driver


@pytest.fixture
def bench(db: Database, tmp_path: Path) -> Workbench:
    """Return a workbench with an empty database and no machines."""
    return Workbench(db, a_driver(tmp_path))
