"""The committed table of operations is the one that the official client and the API reference give."""

from pathlib import Path

from pileus.api.openapi import format_openapi_json
from pileus.app import make_app
from pileus.cli.method_generator import make_method_table
from pileus.settings import Settings
from pileus.tasks.operations import OPERATIONS

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "src/pileus/cli/resource_methods.json"


def test_the_committed_table_of_operations_is_up_to_date() -> None:
    document = format_openapi_json(make_app(Settings()))

    # Compare as a boolean, because a diff of two long texts takes minutes.
    is_current = TABLE.read_text("utf-8") == make_method_table(document, OPERATIONS)
    assert is_current, "src/pileus/cli/resource_methods.json is out of date: run make docs"
