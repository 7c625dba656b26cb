"""`pileus sim http`, against a real server."""

import json
from collections.abc import Iterator

import httpx
import pytest

from pileus.cli.temporary_server import TemporaryServer
from tests.cli.conftest import Run


@pytest.fixture(autouse=True)
def release_all_faults(sim: Run) -> Iterator[None]:
    """Leave no fault to other tests."""
    yield
    assert sim("http", "release", "--all").exit_code == 0


def get_status(server: TemporaryServer, path: str = "/cloud/v1/projects") -> int:
    return httpx.get(f"{server.url}{path}", headers={"Authorization": f"APIKey {server.key}"}).status_code


def test_a_fault_is_injected_listed_with_its_hits_and_released(sim: Run, server: TemporaryServer) -> None:
    injected = sim("http", "respond", "list_projects", "--status", "429", "--retry-after", "2", "--times", "2")
    statuses = [get_status(server) for _ in range(3)]
    table = sim("http", "faults").stdout
    (listed,) = json.loads(sim("http", "faults", "-o", "json").stdout)
    released = sim("http", "release", listed["id"])

    assert injected.stdout == (
        "Answering requests of list_projects, status 429, retry after 2, 2 times. "
        f"To stop that: pileus sim http release {listed['id']}\n"
    )
    assert statuses == [429, 429, 200]
    assert "status 429, retry after 2" in table
    assert (listed["hits"], listed["times"]) == (2, 2)
    assert released.stdout == f"Released {listed['id']}.\n"
    assert sim("http", "faults").stderr == "No operation fails, waits or loses its connection.\n"


@pytest.mark.parametrize(
    ("arguments", "fields"),
    [
        (["respond"], {"kind": "respond", "status": 503, "operation": None}),
        (["respond", "get_task", "--message", "Gone fishing"], {"message": "Gone fishing"}),
        (["delay", "--seconds", "0.1", "--max-seconds", "0.5"], {"kind": "delay", "seconds": 0.1, "max_seconds": 0.5}),
        (["disconnect", "--probability", "0.5", "--seed", "7"], {"kind": "disconnect", "probability": 0.5, "seed": 7}),
        (["truncate", "--method", "get", "--path", "/cloud/v1/tasks/*"], {"kind": "truncate", "method": "GET"}),
        (["lose-answer", "create_volume", "--skip", "1"], {"kind": "lose_answer", "skip": 1}),
        (["lose-answer", "--client", "1", "--project", "1"], {"client_id": 1, "project_id": 1}),
    ],
)
def test_each_kind_of_fault_has_a_command(sim: Run, arguments: list[str], fields: dict[str, object]) -> None:
    injected = sim("http", *arguments)
    (listed,) = json.loads(sim("http", "faults", "-o", "json").stdout)

    assert injected.exit_code == 0, injected.stderr
    assert fields.items() <= listed.items()
    assert sim("http", "release", "--all").stdout == "Released all.\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["disconnect", "--probability", "0.5", "--seed", "7"],
            "Disconnecting all requests, probability 0.5 with seed 7.",
        ),
        (["delay", "--seconds", "2", "--project", "1"], "Delaying requests with project id 1, seconds 2.0."),
        (["lose-answer", "get_task", "--times", "1"], "Losing the answers to requests of get_task, 1 time."),
        (["truncate", "get_task", "--client", "1"], "Truncating the answers to requests of get_task, client id 1."),
    ],
)
def test_a_sentence_says_what_a_fault_does(sim: Run, arguments: list[str], sentence: str) -> None:
    assert sim("http", *arguments).stdout.startswith(f"{sentence} To stop that: pileus sim http release ")


def test_the_operations_are_listed(sim: Run) -> None:
    rows = json.loads(sim("http", "operations", "ssh_key", "-o", "json").stdout)

    assert {"operation": "create_ssh_key", "method": "POST", "path": "/cloud/v1/ssh_keys/{project_id}"} in rows
    assert sim("http", "operations", "xyzzy").stderr == "There is no such operation.\n"
    assert "create_instance" in sim("http", "operations").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["respond", "create_instanc"], 1, "There is no operation create_instanc: did you mean create_instance"),
        (["respond", "--status", "200"], 1, "The status of an error is required"),
        (["release", "no-such"], 1, "Fault no-such could not be found"),
        (["release"], 2, "name a fault (`pileus sim http faults` lists them), or --all"),
        (["delay"], 2, "--seconds"),
    ],
)
def test_a_mistake_is_explained_in_one_line(sim: Run, arguments: list[str], code: int, expected: str) -> None:
    refused = sim("http", *arguments)

    assert refused.exit_code == code
    assert expected in refused.stderr


def test_a_tenants_key_is_refused_with_the_next_step(sim: Run, server: TemporaryServer) -> None:
    body = {"name": "administrator", "role": "Administrators"}
    headers = {"Authorization": f"APIKey {server.key}"}
    token = httpx.post(f"{server.url}/_pileus/tenants/1/keys", json=body, headers=headers).json()["token"]

    refused = sim("http", "faults", "--key", token)

    assert refused.exit_code == 1
    assert "this key may not do that: use an operator's (`pileus operators create NAME`)" in refused.stderr


def test_a_server_that_may_not_be_controlled_says_why(run: Run) -> None:
    from pileus.testing import cloud  # noqa: PLC0415  # starts a server

    with cloud(simulation_control="off") as running:
        key = running.operator.headers["Authorization"].removeprefix("APIKey ")
        refused = run("sim", "http", "faults", "--url", running.base_url, "--key", key)

    assert refused.exit_code == 1
    assert "Control of the simulated cloud is turned off by the setting simulation_control" in refused.stderr
