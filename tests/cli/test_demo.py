"""`pileus demo`: the life cycle of an instance through the official SDK."""

import subprocess
import sys

import pytest

from pileus.cli.commands import CommandError
from pileus.cli.demo import MISSING, format_call_as_python, make_sdk_client
from pileus.cli.temporary_server import TemporaryServer


def test_demo_shows_the_life_cycle_of_an_instance() -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "pileus", "demo"], capture_output=True, text=True, timeout=120, check=False
    )

    assert finished.returncode == 0, finished.stdout + finished.stderr
    expected = ["create_and_poll(", "ACTIVE (active)", "web-1", "update(", "web-blue", "team=shop", "release=42"]
    expected += ["SHUTOFF (stopped)", "delete_and_poll(", "The server has stopped"]
    assert [text for text in expected if text not in finished.stdout] == []
    updated_tags = finished.stdout.partition("update(")[2].partition("tags")[2].partition("tags")[2].splitlines()[0]
    assert "team" not in updated_tags
    assert "env=production" in updated_tags


def test_call_is_formatted_as_python() -> None:
    assert format_call_as_python("cloud.instances.list", {}) == "client.cloud.instances.list()"
    assert (
        format_call_as_python("a.b", {"name": "x", "tags": {"k": None}})
        == "client.a.b(\n    name='x',\n    tags={'k': None},\n)"
    )


def test_missing_sdk_is_reported_with_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gcore", None)

    with pytest.raises(CommandError, match=r"pip install 'pileus\[sdk\]'") as caught:
        make_sdk_client(TemporaryServer("http://127.0.0.1:1", "1_any-secret"))

    assert caught.value.message == MISSING
