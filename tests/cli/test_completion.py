"""Completion of values in bash, zsh and fish: by the program as the shells call it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from pileus.cli.temporary_server import TemporaryServer
from tests.cli.conftest import Run

Complete = Callable[..., list[str]]


@pytest.fixture
def complete(use: Run, monkeypatch: pytest.MonkeyPatch) -> Complete:
    """Return the values that zsh gets for an unfinished command line."""

    def offer(*words: str) -> list[str]:
        with monkeypatch.context() as patch:
            patch.setenv("_PILEUS_COMPLETE", "zsh_complete")
            patch.setenv("COMP_WORDS", " ".join(["pileus", *words]))
            patch.setenv("COMP_CWORD", str(len(words)))
            result = use()
        assert (result.exit_code, result.stderr) == (0, "")
        return result.stdout.splitlines()[1::3]

    return offer


@pytest.fixture
def network(use: Run) -> Iterator[str]:
    """The name of a network."""
    network_id = json.loads(use("networks", "create", "--name", "net-of-shop", "-o", "json").stdout)["id"]
    yield "net-of-shop"
    use("networks", "delete", network_id)


def test_values_come_from_the_cloud(complete: Complete, network: str) -> None:
    assert complete("networks", "show", "net-of") == [network]
    assert complete("subnets", "create", "--network-id", "net-of") == [network]
    assert "g1-standard-1-2" in complete("instances", "create", "--flavor", "g1-")
    assert complete("baremetal", "create", "--flavor", "bm1") == ["bm1-infrastructure-small"]
    assert "ubuntu-22.04-x64" in complete("volumes", "create", "--image-id", "ubuntu")
    assert "g1-standard-1-2" in complete("sim", "capacity", "g1-")


def test_types_of_tasks_and_columns_need_no_server(complete: Complete, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GCORE_BASE_URL", "http://127.0.0.1:1")

    assert complete("sim", "fail", "create_v") == ["create_vm", "create_volume"]
    assert complete("tasks", "list", "--task-type", "create_v") == ["create_vm", "create_volume"]
    assert complete("volumes", "list", "--columns", "id,sta") == ["id,status"]


def test_commands_and_choices_are_completed(complete: Complete) -> None:
    assert complete("instances", "st") == ["start", "stop"]
    assert complete("flavors", "list", "-o", "") == ["table", "json", "yaml", "csv", "tsv", "name"]


@pytest.mark.parametrize(
    ("url", "key"), [("http://127.0.0.1:1", "1_a-key"), ("not an address", "1_a-key"), ("http://127.0.0.1:1", "")]
)
def test_an_error_offers_nothing(complete: Complete, url: str, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GCORE_BASE_URL", url)
    monkeypatch.setenv("GCORE_API_KEY", key)

    assert complete("instances", "show", "x") == []


@pytest.mark.parametrize(("shell", "first_line"), [("bash", "plain,net-of-shop\n"), ("fish", "plain,net-of-shop\t")])
def test_other_shells_get_the_same(server: TemporaryServer, network: str, shell: str, first_line: str) -> None:
    variables = {
        "_PILEUS_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": "pileus networks show net-of",
        "COMP_CWORD": "3" if shell == "bash" else "net-of",
        "GCORE_BASE_URL": server.url,
        "GCORE_API_KEY": server.key,
    }
    program = [sys.executable, "-m", "pileus"]
    ended = subprocess.run(program, capture_output=True, text=True, timeout=60, check=False, env=os.environ | variables)

    assert (ended.returncode, ended.stderr, network) == (0, "", "net-of-shop")
    assert ended.stdout.startswith(first_line)
