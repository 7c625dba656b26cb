"""The committed OpenAPI document is the one that the program generates."""

from pathlib import Path

from pileus.api.openapi import format_openapi_json
from pileus.app import make_app
from pileus.settings import Settings

DOCUMENT = Path(__file__).resolve().parents[2] / "docs/openapi.json"


def test_the_committed_openapi_document_is_up_to_date() -> None:
    committed = DOCUMENT.read_text("utf-8")

    # Compare as a boolean, because a diff of two long texts takes minutes.
    is_current = committed == format_openapi_json(make_app(Settings()))
    assert is_current, "docs/openapi.json is out of date: run make docs"
