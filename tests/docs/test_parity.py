"""The tables of recorded answers name tests that exist."""

import re

from tests.docs.test_markdown import ROOT

TEST = re.compile(r"`([\w/]+\.py)::(test_\w+)`")
HEADER = "| operation |"


def test_every_recorded_answer_names_existing_tests() -> None:
    rows = [
        line
        for line in (ROOT / "docs/parity.md").read_text("utf-8").splitlines()
        if line.startswith("| ") and not line.startswith(HEADER)
    ]
    names = [TEST.findall(row) for row in rows]

    assert len(rows) > 0
    assert all(names)
    for path, name in {name for row in names for name in row}:
        assert f"def {name}(" in (ROOT / "tests" / path).read_text("utf-8"), f"{path}::{name}"
