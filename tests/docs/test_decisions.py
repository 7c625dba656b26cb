"""The table of decisions lists each record once, in order, as the record says."""

import re

from tests.docs.test_markdown import ROOT

FOLDER = ROOT / "docs/decisions"
ROW = re.compile(r"^\| \[(\d{4})\]\((.+?)\) \| (.+?) \| (.+?) \| ([\d-]+) \|$", re.MULTILINE)
NUMBER = re.compile(r"\b\d{4}\b")
LINK = re.compile(r"\[(\d{4})\]\([^)]+\)")


def test_each_record_has_one_row_in_order() -> None:
    rows = ROW.findall((FOLDER / "README.md").read_text("utf-8"))
    files = sorted(path.name for path in FOLDER.glob("[0-9]*.md"))

    assert [file for _, file, *_ in rows] == files
    assert [number for number, *_ in rows] == [file[:4] for file in files]


def test_each_row_has_the_title_the_status_and_the_date_of_its_record() -> None:
    for number, file, title, status, date in ROW.findall((FOLDER / "README.md").read_text("utf-8")):
        record = (FOLDER / file).read_text("utf-8")
        [stated] = re.findall(r"^- Status: (.+)$", record, re.MULTILINE)

        assert record.startswith(f"# {number}: {title}\n")
        assert f"- Date: {date}\n" in record
        # A decision that is replaced in part has a shorter status in the table; it names the same record.
        assert set(NUMBER.findall(status)) == set(NUMBER.findall(stated)), number
        assert ("replaced by" in status) == ("replaced by" in stated), number
        assert "replaced by" in status or status == LINK.sub(r"\1", stated), number
