"""A workbench on each database."""

import pytest

from pileus.store.database import Database
from tests.simulated_cloud import a_driver
from tests.tasks.schedules import ScheduleBench
from tests.tasks.workers import Workbench


@pytest.fixture
def bench(db: Database) -> Workbench:
    """Return a workbench with an empty database and no machines."""
    return Workbench(db, a_driver(db))


@pytest.fixture
def schedule_bench(bench: Workbench) -> ScheduleBench:
    """Return the workbench with a scheduler."""
    return ScheduleBench(bench)
