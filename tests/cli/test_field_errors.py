"""Errors of nested fields name the path of the field, without the notation of a language."""

from typing import Any

import pytest

from pileus.cli.field_errors import describe_field_errors
from pileus.cli.temporary_server import TemporaryServer
from tests.cli.conftest import Run


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"name": ["Field required"]}, "name: Field required"),
        ({"name": ["too short", "not ASCII"], "size": "too large"}, "name: too short, not ASCII; size: too large"),
        ({"interfaces": {"0": ["unknown type"]}}, "interfaces[0]: unknown type"),
        (
            {"interfaces": {"1": {"security_groups": {"0": {"id": ["not found"]}}}, "2": {"type": ["wrong"]}}},
            "interfaces[1].security_groups[0].id: not found; interfaces[2].type: wrong",
        ),
        ({"volumes": ["too many", {"0": ["wrong"]}]}, "volumes: too many; volumes[0]: wrong"),
        ({"7": ["not a field"]}, "7: not a field"),
    ],
)
def test_each_error_has_the_path_of_its_field(fields: dict[str, Any], text: str) -> None:
    assert describe_field_errors(fields) == text


def test_a_wrong_item_of_a_list_is_named_by_its_place(
    run: Run, server: TemporaryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GCORE_BASE_URL", server.url)
    monkeypatch.setenv("GCORE_API_KEY", server.key)
    volume = "source=image,image_id=ubuntu-22.04-x64,size=10,boot_index=0"

    order = ("--name", "web", "--flavor", "g1-standard-1-2", "--interfaces", "type=extrnal", "--volumes", volume)
    refused = run("instances", "create", *order)

    assert (refused.exit_code, refused.stderr.count("\n")) == (1, 1)
    assert "interfaces[0]" in refused.stderr
    assert "extrnal" in refused.stderr
    assert "{" not in refused.stderr
