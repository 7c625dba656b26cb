"""`pileus requests`, against a real server."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from pileus.cli.temporary_server import TemporaryServer
from tests.cli.conftest import Run
from tests.servers import KEY, free_port, start_server

PLACE = "/cloud/v1/networks/1/1"


@pytest.fixture
def log(run: Run, server: TemporaryServer, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `pileus requests` against the server, whose log is empty."""
    monkeypatch.setenv("GCORE_BASE_URL", server.url)
    monkeypatch.setenv("GCORE_API_KEY", server.key)

    def invoke(*arguments: str) -> object:
        return run("requests", *arguments)

    assert run("requests", "clear").stdout == "The log is empty.\n"
    return invoke  # type: ignore[return-value]  # the same as `run`


@pytest.fixture
def client(server: TemporaryServer) -> Iterator[httpx.Client]:
    """A client of the server."""
    with httpx.Client(base_url=server.url, headers={"Authorization": f"APIKey {server.key}"}) as opened:
        yield opened


def test_the_last_requests_are_listed_and_selected(log: Run, client: httpx.Client) -> None:
    client.get("/cloud/v1/projects")
    client.post(f"{PLACE}?colour=red", json={"nmae": "x", "name": "net-1"})
    table, refused, unread = log().stdout, log("--status", ">=400").stdout, log("--unread", "-o", "json").stdout
    client.post("/cloud/v2/instances/1/1", json={"interfaces": [{"type": "external", "floating_ip": {}}]})
    other_type = log("--operation", "create_instance").stdout
    older = log("--since", "2120-01-01").stdout

    assert [line.split()[2] for line in table.splitlines() if "/cloud/" in line] == ["GET", "POST"]
    assert "nmae, ?colour" in table
    assert [exchange["operation"] for exchange in json.loads(unread)] == ["create_network"]
    assert "interfaces.0.floating_ip (other type)" in other_type
    assert refused == older == ""
    assert "create_network" in log("--since", "10m", "--text", "NET-1", "-n", "1").stdout


def test_a_request_is_shown_and_repeated_by_curl(log: Run, client: httpx.Client, server: TemporaryServer) -> None:
    body = {"name": "it's $HOME", "tags": {"a": 'b "c"'}}
    sent = client.post(f"{PLACE}?q=%20a", json=body)
    request_id = sent.headers["x-request-id"]
    details, command = log("show", request_id[:8]).stdout, log("show", request_id, "--curl").stdout
    variables = {**os.environ, "GCORE_BASE_URL": server.url, "GCORE_API_KEY": server.key}
    subprocess.run(["bash", "-euc", command], env=variables, check=True, capture_output=True, timeout=30)

    first, second = json.loads(log("-o", "json").stdout)
    assert "create_network" in details
    assert server.key not in command
    assert all(first[name] == second[name] for name in ("method", "path", "query", "request_body", "status"))


def test_a_hidden_secret_is_reported_with_the_command(log: Run, client: httpx.Client) -> None:
    sent = client.post("/auth/jwt/login", json={"username": "a@example.org", "password": "a-secret-word"})
    curl = log("show", sent.headers["x-request-id"], "--curl")
    login = log("show", sent.headers["x-request-id"]).stdout

    assert "a-secret-word" not in curl.output + login
    assert "(hidden)" in curl.stdout
    assert "Secrets are not in the log" in curl.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "none"), "Request none could not be found"),
        (("--status", "40"), "status"),
        (("--since", "yesterday"), "since"),
        (("--since", f"{10**20}d"), "too long ago"),
        (("--url", "http://127.0.0.1:9"), "nothing answers"),
        (("--follow", "--url", "http://127.0.0.1:9"), "nothing answers"),
        (("--follow", "--status", "40"), "status"),
        (("--follow", "--key", "1_wrong-key-0123456789"), "the key is not accepted"),
    ],
)
def test_errors_are_one_line(log: Run, arguments: tuple[str, ...], message: str) -> None:
    result = log(*arguments)

    assert result.exit_code in {1, 2}
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_requests_are_followed_through_a_restart_until_ctrl_c(tmp_path: Path) -> None:
    port = free_port()
    server = start_server(tmp_path / "data", port=port)
    command = [sys.executable, "-m", "pileus", "requests", "--follow", "--operation", "list_projects", "-o", "json"]
    following = subprocess.Popen(
        # Shells let background processes, such as the tests may be, ignore Ctrl-C.
        ["env", "--default-signal=INT", *command],
        env={**os.environ, **server.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert following.stdout is not None
    assert following.stderr is not None
    headers = {"Authorization": f"APIKey {KEY}"}

    def send() -> str:
        return httpx.get(f"{server.url}/cloud/v1/projects", headers=headers).headers["x-request-id"]

    sent = [send()]
    while following.poll() is None and not select.select([following.stdout], [], [], 0.05)[0]:
        sent.append(send())
    first = json.loads(following.stdout.readline())["request_id"]
    server.stop()
    assert "waiting until it is back" in following.stderr.readline()
    server = start_server(tmp_path / "data", port=port)
    last = send()
    after_restart = json.loads(following.stdout.readline())["request_id"]
    following.send_signal(signal.SIGINT)
    rest, errors = following.communicate(timeout=20)
    server.stop()

    assert first in sent
    assert after_restart in {*sent, last}
    assert (following.returncode, errors) == (0, "")
    assert last == after_restart or last in rest
