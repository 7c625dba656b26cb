"""The table of older names is complete, and everything in it is served."""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from pileus.api.openapi_page import render_api_reference
from tests.docs.test_markdown import ROOT

SPAN = re.compile(r"`([^`]+)`")
PARAMETER = re.compile(r"\{\w+\}")
DOCUMENT: dict[str, Any] = json.loads((ROOT / "docs/openapi.json").read_text("utf-8"))
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]


class Row(NamedTuple):
    """A row of the table."""

    kind: str
    older: list[str]
    newer: list[str]
    places: list[str]
    can_be_off: bool


def rows_of(*kinds: str) -> Iterator[Row]:
    """Yield the rows of some kinds."""
    for line in (ROOT / "docs/older-names.md").read_text("utf-8").splitlines():
        kind, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        if kind in kinds:
            older, newer, places = [SPAN.findall(cell) for cell in cells[:3]]
            yield Row(kind, older, newer, places, cells[3] == "yes")


def test_every_field_is_in_its_schema_and_deprecated_ones_are_complete() -> None:
    listed = {(place, row.older[0]): row for row in rows_of("response", "body") for place in row.places}
    deprecated = {
        (name, field)
        for name, schema in SCHEMAS.items()
        for field, definition in schema.get("properties", {}).items()
        if definition.get("deprecated")
    }

    assert [key for key in listed if key[1] not in SCHEMAS[key[0]]["properties"]] == []
    assert deprecated - listed.keys() == set()
    responses = {key for key, row in listed.items() if row.kind == "response"}
    assert {key for key in responses if listed[key].can_be_off} == deprecated & responses


def test_every_query_parameter_is_accepted_and_deprecated_ones_are_complete() -> None:
    listed = {(place, row.older[0]) for row in rows_of("query") for place in row.places}
    deprecated = {
        (path.split("/")[3], parameter["name"])
        for path, operations in DOCUMENT["paths"].items()
        for operation in operations.values()
        for parameter in operation.get("parameters", ())
        if parameter["deprecated"]
    }

    assert listed == deprecated


def test_every_address_is_served_and_deprecated_ones_are_complete() -> None:
    listed = {
        (method, PARAMETER.sub("{}", row.older[-1].replace("<name>", name)))
        for row in rows_of("address")
        for name in row.places or [""]
        for method in row.older[:-1]
    }
    deprecated = {
        (method.upper(), PARAMETER.sub("{}", path))
        for path, operations in DOCUMENT["paths"].items()
        for method, operation in operations.items()
        if operation.get("deprecated")
    }

    assert listed == deprecated


def test_every_newer_name_is_served() -> None:
    fields = {field for schema in SCHEMAS.values() for field in schema.get("properties", {})}
    parameters = {
        parameter["name"]
        for operations in DOCUMENT["paths"].values()
        for operation in operations.values()
        for parameter in operation.get("parameters", ())
    }
    newer = {name for row in rows_of("response", "body", "query", "address") for name in row.newer}

    assert len(newer) > 10
    assert newer - fields - parameters - DOCUMENT["paths"].keys() == set()


@pytest.mark.parametrize("name", ["metadata_kv", "instance_created", "name_templates"])
def test_the_reference_page_marks_older_names(name: str) -> None:
    (item, *_) = re.findall(rf"<li><code>{name}</code>.*?</li>", render_api_reference(DOCUMENT))

    assert "deprecated" in item
