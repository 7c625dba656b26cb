"""`pileus demo`: an instance's whole life through the official SDK."""

import subprocess
import sys

import pytest

from pileus.cli.demo import MISSING, client_of, written
from pileus.cli.formatting import Failure
from pileus.cli.temporary_server import Trial


def test_it_shows_an_instances_whole_life_and_leaves_nothing_behind() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "pileus", "demo"], capture_output=True, text=True, timeout=120, check=False
    )

    assert shown.returncode == 0, shown.stdout + shown.stderr
    told = ["create_and_poll(", "ACTIVE (active)", "web-1", "update(", "web-blue", "team=shop", "release=42"]
    told += ["SHUTOFF (stopped)", "delete_and_poll(", "The server has stopped"]
    assert [text for text in told if text not in shown.stdout] == []
    after = shown.stdout.partition("update(")[2].partition("tags")[2].partition("tags")[2].splitlines()[0]
    assert "team" not in after
    assert "env=production" in after


def test_what_is_shown_is_what_is_called() -> None:
    assert written("cloud.instances.list", {}) == "client.cloud.instances.list()"
    assert written("a.b", {"name": "x", "tags": {"k": None}}) == "client.a.b(\n    name='x',\n    tags={'k': None},\n)"


def test_without_the_sdk_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gcore", None)

    with pytest.raises(Failure, match=r"pip install 'pileus\[sdk\]'") as caught:
        client_of(Trial("http://127.0.0.1:1", "1_any-secret"))

    assert caught.value.message == MISSING
