"""Old samples of machines are deleted, by an index and not all at once."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pileus.drivers.qemu.metrics import MAX_DELETED_SAMPLES, delete_old_samples
from pileus.drivers.qemu.state import QemuStateFile


async def apply_network() -> None:
    """Do nothing."""


@pytest.fixture
def state(tmp_path: Path) -> Iterator[QemuStateFile]:
    opened = QemuStateFile(tmp_path / "qemu.db", apply_network)
    with closing(opened.db):
        yield opened


def add_samples(state: QemuStateFile, machine_id: str, times: range) -> None:
    state.db.executemany("INSERT INTO samples VALUES (?, ?, '{}')", [(machine_id, time) for time in times])


def count(state: QemuStateFile) -> int:
    return int(state.db.execute("SELECT count(*) FROM samples").fetchone()[0])


def test_samples_of_all_machines_are_deleted_when_they_are_old(state: QemuStateFile) -> None:
    """Also those of machines that no longer exist."""
    add_samples(state, "a", range(100))
    add_samples(state, "b", range(50, 150))

    assert delete_old_samples(state.db, 100) == 150
    assert delete_old_samples(state.db, 100) == 0
    assert count(state) == 50


def test_a_bounded_number_of_samples_is_deleted_at_once_the_oldest_first(state: QemuStateFile) -> None:
    add_samples(state, "a", range(MAX_DELETED_SAMPLES + 5))

    assert delete_old_samples(state.db, 1 << 62) == MAX_DELETED_SAMPLES
    assert state.db.execute("SELECT min(time) FROM samples").fetchone() == (MAX_DELETED_SAMPLES,)


def test_a_deletion_does_not_look_at_samples_that_are_kept(state: QemuStateFile) -> None:
    statements: list[str] = []
    state.db.set_trace_callback(statements.append)
    delete_old_samples(state.db, 100)
    state.db.set_trace_callback(None)

    (statement,) = (text for text in statements if "DELETE" in text)
    plan = [str(row[-1]) for row in state.db.execute(f"EXPLAIN QUERY PLAN {statement}")]
    assert [line for line in plan if line.startswith("SCAN samples")] == [], plan
    assert any("samples_by_time" in line for line in plan), plan
