"""The pages of the web console: all lists, a record of each noun with its tabs, and a dialog for each kind of field."""

from collections.abc import Iterator, Mapping
from typing import Any

from tests.console.resources import PLACE

REPEATED_TABS = {"tags", "history"}
"""Tabs that look the same for each noun: they are shown once."""
SIZES = [(320, 640), (1280, 800), (3840, 2160)]


def list_lists(tables: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lists, and the pages that are no lists, as the navigation has them."""
    for words in tables["NAVIGATION"].values():
        yield from (f"{PLACE}/{word}" for word in words)


def list_records(tables: Mapping[str, Any], records: Mapping[str, str]) -> Iterator[str]:
    """Yield the page of a record of each noun, with each tab, and the page that creates an instance."""
    repeated = set(REPEATED_TABS)
    for word, noun in tables["NOUNS"].items():
        if noun.get("hasDetail") is False:
            continue
        tabs = noun.get("tabs", ["overview"])
        for tab in tabs:
            if tab not in REPEATED_TABS or tab in repeated:
                yield f"{PLACE}/{word}/{records[word]}" + (f"?tab={tab}" if tab != tabs[0] else "")
        repeated -= set(tabs)
    yield f"{PLACE}/instances/new"


def list_dialogs(tables: Mapping[str, Any], records: Mapping[str, str]) -> Iterator[str]:
    """Yield dialogs that together have all kinds of fields."""
    missing = {field["kind"] for operation in _list_operations(tables) for field in operation.get("fields", [])}
    for word, operations in tables["OPERATIONS"].items():
        for operation in operations:
            kinds = {field["kind"] for field in operation.get("fields", [])}
            if kinds & missing and (operation.get("isCreation") or word in records):
                missing -= kinds
                record = "" if operation.get("isCreation") else f"/{records[word]}"
                yield f"{PLACE}/{word}{record}?do={operation['name']}"
    assert not missing


def _list_operations(tables: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for operations in tables["OPERATIONS"].values():
        yield from operations


def name_picture(path: str, records: Mapping[str, str]) -> str:
    """Return the name of the pictures of a page: its address without the place and the ids."""
    word, *rest = path.removeprefix(f"{PLACE}/").replace("?tab=", "/").replace("?do=", "/do-").split("/")
    return "-".join([word, *("one" if part == records.get(word) else part for part in rest)])
