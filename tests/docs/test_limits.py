"""The committed table of limits is the one of the program."""

from pathlib import Path

from pileus.domain.limits import make_limits_reference

TABLE = Path(__file__).resolve().parents[2] / "docs/limits.md"


def test_the_committed_table_of_limits_is_up_to_date() -> None:
    assert TABLE.read_text("utf-8") == make_limits_reference(), "docs/limits.md is out of date: run make docs"
