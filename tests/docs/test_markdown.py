"""Markdown files: links resolve, and lines are short enough to review."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "examples").rglob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / ".github").rglob("*.md"),
    ]
)
LONGEST = 120
FENCE = re.compile(r"^\s*(```|~~~)")
TARGET = re.compile(r"\]\((?!https?:)([^)#]+)[^)]*\)")
LINK = re.compile(r"!?\[[^\]]*\](?:\([^)]*\)|\[[^\]]*\])|<https?://[^>]*>|https?://\S+")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def prose(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines outside of tables and code blocks, with their numbers."""
    inside_code = False
    for number, line in enumerate(text.splitlines(), 1):
        if FENCE.match(line):
            inside_code = not inside_code
        elif not inside_code and not line.lstrip().startswith("|"):
            yield number, line


def too_long(text: str) -> list[int]:
    """Return the numbers of lines that are too long without their links."""
    return [number for number, line in prose(text) if len(LINK.sub("", line)) > LONGEST]


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_links_to_files_resolve(document: Path) -> None:
    missing = [
        target for target in TARGET.findall(document.read_text("utf-8")) if not (document.parent / target).exists()
    ]

    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_lines_of_markdown_are_wrapped(document: Path) -> None:
    assert too_long(document.read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a " * 60, []),
        ("a " * 61, [1]),
        ("short\n" + "a" * 121, [2]),
        ("| " + "a" * 200 + " |", []),
        ("```sh\n" + "a" * 200 + "\n```\n" + "a" * 121, [4]),
        ("See [a page](https://example.org/" + "a" * 200 + ").", []),
        ("See https://example.org/" + "a" * 200, []),
    ],
)
def test_tables_code_blocks_and_links_may_be_long(text: str, lines: list[int]) -> None:
    assert too_long(text) == lines
