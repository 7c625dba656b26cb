"""The table of recorded answers names tests that exist."""

import re

from tests.docs.test_markdown import ROOT

TEST = re.compile(r"`([\w/]+\.py)::(test_\w+)`")


def test_every_recorded_answer_names_an_existing_test() -> None:
    rows = [line for line in (ROOT / "docs/parity.md").read_text("utf-8").splitlines() if line.startswith("| ")][1:]
    names = [match.groups() for row in rows if (match := TEST.search(row))]

    assert len(names) == len(rows) > 0
    for path, name in names:
        assert f"def {name}(" in (ROOT / "tests" / path).read_text("utf-8"), f"{path}::{name}"
