"""The server as a process: start, output, stop, and several processes that work together."""

import json
import os
import re
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from pileus.server import StartError
from pileus.server.process import open_listeners
from pileus.settings import Settings
from tests.servers import KEY, Server, free_port, run_server, spawn_server, start_server

HEADERS = {"Authorization": f"APIKey {KEY}"}
PROJECT = "/cloud/v1/projects/1"
NO_KEY = {"PILEUS_API_KEY": ""}
LONGEST = 5.0


def read_output(server: Server) -> str:
    """Read the output after the line that says that the server is ready."""
    assert server.process.stdout is not None
    lines = []
    for line in server.process.stdout:
        lines.append(line)
        if line.startswith("API reference"):
            break
    return "".join(lines)


def run_to_end(*options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a server that cannot start, until it ends."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PILEUS_")}
    command = [sys.executable, "-m", "pileus", "serve", *options]
    return subprocess.run(command, env=environment | variables, capture_output=True, text=True, timeout=30, check=False)


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until a condition is true. Raises AssertionError after a while."""
    end = time.monotonic() + LONGEST
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def children(pid: int) -> set[int]:
    """Return the ids of the child processes."""
    pids = set()
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            pids.add(int(entry.parent.name))
    return pids


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with two worker processes."""
    with run_server(tmp_path_factory.mktemp("two") / "data", "--workers", "2") as server:
        yield server


def test_the_first_start_keeps_a_key_for_its_owner_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    first = start_server(data, variables=NO_KEY)
    output = read_output(first)
    file = data / "admin.key"
    key = file.read_text().strip()
    answer = httpx.get(f"{first.url}{PROJECT}", headers={"Authorization": f"APIKey {key}"})
    first.stop()

    second = start_server(data, variables=NO_KEY)
    again = read_output(second)
    second.stop()

    assert f"export GCORE_BASE_URL={first.url}\n" in output
    assert "export GCORE_CLOUD_PROJECT_ID=1\nexport GCORE_CLOUD_REGION_ID=1\n" in output
    assert f"API reference: {first.url}/schema" in output
    assert answer.json()["name"] == "Default"
    assert re.fullmatch("1_[0-9a-f]{64}", key)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert f"export GCORE_API_KEY=$(cat {file})\n" in output
    assert f"export GCORE_API_KEY=$(cat {file})\n" in again
    assert key not in output + again


def test_a_key_that_was_given_is_not_shown(server: Server, tmp_path: Path) -> None:
    with run_server(tmp_path / "data") as other:
        assert 'export GCORE_API_KEY="$PILEUS_API_KEY"' in read_output(other)
        assert not (tmp_path / "data" / "admin.key").exists()
    assert KEY not in server.log.read_text()


def test_a_directory_has_one_server(server: Server, tmp_path: Path) -> None:
    data = server.log.with_suffix("")

    by_directory = run_to_end("--data", str(data), "--port", str(free_port()))
    by_port = run_to_end("--data", str(tmp_path), "--port", server.url.rpartition(":")[2])

    assert by_directory.returncode == by_port.returncode == 1
    assert by_directory.stderr == (
        f"pileus: Another server (process {server.process.pid}) works on {data}: stop it, or choose another directory "
        "with --data\n"
    )
    assert by_port.stderr.endswith("is taken: stop what listens there, or use --port\n")


def test_the_health_port_is_free_and_not_that_of_the_api(server: Server, tmp_path: Path) -> None:
    port, taken = str(free_port()), server.url.rpartition(":")[2]

    same = run_to_end("--data", str(tmp_path), "--port", port, "--health-port", port)
    other = run_to_end("--data", str(tmp_path), "--port", port, "--health-port", taken)

    assert same.returncode == 2
    assert same.stderr.endswith(f"--health-port: port {port} is that of the API (--port): choose another\n")
    assert other.returncode == 1
    assert other.stderr == (
        f"pileus: Port {taken} on 127.0.0.1 is taken: stop what listens there, or use --health-port\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_taken_during_the_start_is_named() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        settings = Settings(port=free_port(), health_port=other.getsockname()[1])
        expected = f"Port {settings.health_port} on 127.0.0.1 is taken: stop what listens there, or use --health-port"

        with pytest.raises(StartError, match=re.escape(expected)):
            open_listeners(settings)


def a_file(path: Path) -> list[str]:
    path.write_text("in the way")
    return ["--data", str(path)]


def no_database(path: Path) -> list[str]:
    path.mkdir()
    (path / "pileus.db").write_bytes(b"not a database at all" * 100)
    return ["--data", str(path)]


def a_newer_database(path: Path) -> list[str]:
    start_server(path).stop()
    with sqlite3.connect(path / "pileus.db") as connection:
        connection.execute("INSERT INTO schema_versions VALUES (9999, 'from the future', 9999)")
    connection.close()
    return ["--data", str(path)]


def a_wrong_catalogue(path: Path) -> list[str]:
    path.with_suffix(".toml").write_text("flavors = 3")
    return ["--data", str(path), "--catalogue", str(path.with_suffix(".toml"))]


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (a_file, 1, "it is not a directory: choose another with --data"),
        (no_database, 1, "file is not a database: choose another with --data"),
        (a_newer_database, 1, "The database has schema version 9999; this program knows"),
        (a_wrong_catalogue, 2, "The catalogue is wrong"),
        (lambda path: ["--data", str(path), "--catalogue", "/nowhere.toml"], 2, "/nowhere.toml: the catalogue cannot"),
        (
            lambda path: ["--data", str(path), "--driver", "wishful"],
            2,
            "There is no driver wishful; there is openstack, qemu, simulated",
        ),
        (lambda path: ["--data", str(path), "--host", "192.0.2.1"], 1, "choose another address with --host"),
        (lambda path: ["--data", str(path), "--host", "nowhere.invalid"], 1, "Cannot listen on nowhere.invalid"),
        (
            lambda path: ["--data", str(path), "--database", f"postgresql://me:hunter2@127.0.0.1:{free_port()}/x"],
            1,
            "Connection refused: start PostgreSQL, or check --database",
        ),
    ],
)
@pytest.mark.parametrize("workers", ["1", "2"])
def test_what_keeps_it_from_starting_is_told_in_one_line(
    options: Callable[[Path], list[str]], code: int, message: str, workers: str, tmp_path: Path
) -> None:
    failed = run_to_end("--port", str(free_port()), "--workers", workers, *options(tmp_path / "data"))

    assert message in failed.stderr
    assert (failed.returncode, failed.stderr.count("\n"), failed.stdout) == (code, 1, "")
    assert "hunter2" not in failed.stderr


@pytest.mark.parametrize("workers", ["1", "2"])
def test_what_keeps_a_driver_from_working_is_told_in_one_line(workers: str, tmp_path: Path) -> None:
    where = ("--data", str(tmp_path / "data"), "--port", str(free_port()), "--workers", workers)

    failed = run_to_end(*where, "--driver", "qemu", PATH=str(tmp_path))

    assert failed.stderr == (
        "pileus: qemu-system-x86_64 is missing; on Debian and Ubuntu: apt-get install qemu-system-x86 qemu-utils\n"
    )
    assert (failed.returncode, failed.stdout) == (1, "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_it_stops_cleanly_and_at_once(number: signal.Signals, workers: str, tmp_path: Path) -> None:
    server = start_server(tmp_path / "data", "--workers", workers)
    httpx.get(f"{server.url}{PROJECT}", headers=HEADERS)

    code = server.stop(number)

    events = [json.loads(line) for line in server.log.read_text().splitlines()]
    assert code == 0
    assert (events[-1]["event"], events[-1]["logger"]) == ("Stopped", "pileus.server")
    assert [event for event in events if event["level"] not in ("info", "debug")] == []


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_server_that_is_stopped_while_it_starts_ends_without_an_error(workers: str, tmp_path: Path) -> None:
    start_server(tmp_path / "data").stop()
    for tenths in range(4, 13, 2):
        server = spawn_server(tmp_path / "data", "--workers", workers)
        with suppress(subprocess.TimeoutExpired):
            server.process.wait(tenths / 10)
        code = server.stop()

        assert code in (0, -signal.SIGTERM)
    assert '"level":"error"' not in server.log.read_text()


def test_a_request_that_is_under_way_is_answered_before_it_stops(tmp_path: Path) -> None:
    server = start_server(tmp_path / "data")
    body = json.dumps({"name": "slow"}).encode()
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as connection:
        head = (
            f"PATCH {PROJECT} HTTP/1.1\r\nHost: x\r\nAuthorization: APIKey {KEY}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        connection.sendall(head.encode() + body[:5])
        wait_until(lambda: b"HTTP/1.1 200" in _healthz(server))
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: not _accepts(server))
        connection.sendall(body[5:])
        answer = connection.recv(65536)

    assert answer.startswith(b"HTTP/1.1 ")
    assert b"x-request-id" in answer
    assert server.stop() == 0


def test_a_stop_answers_a_request_that_waits_for_a_task_at_once(tmp_path: Path) -> None:
    server = start_server(tmp_path / "data", "--task-poll-ms", "10000")
    httpx.post(f"{server.url}/_pileus/faults", headers=HEADERS, json={"kind": "hold"})
    started = httpx.post(f"{server.url}/cloud/v1/networks/1/1", headers=HEADERS, json={"name": "net"})
    (task_id,) = started.json()["tasks"]
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as connection:
        head = f"GET /cloud/v1/tasks/{task_id} HTTP/1.1\r\nHost: x\r\nAuthorization: APIKey {KEY}\r\n\r\n"
        connection.sendall(head.encode())
        wait_until(lambda: b"HTTP/1.1 200" in _healthz(server))
        server.process.send_signal(signal.SIGTERM)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))

    assert answer.startswith(b"HTTP/1.1 200")
    assert b'"finished_on":null' in answer
    assert server.stop() == 0


def test_a_task_of_another_process_is_read_when_the_wait_is_over(two: Server) -> None:
    for number in range(8):
        started = httpx.post(f"{two.url}/cloud/v1/networks/1/1", headers=HEADERS, json={"name": f"net-{number}"})
        (task_id,) = started.json()["tasks"]

        task = httpx.get(f"{two.url}/cloud/v1/tasks/{task_id}", headers=HEADERS).json()

        assert task["state"] == "FINISHED"


def _healthz(server: Server) -> bytes:
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return connection.recv(4096)


def _accepts(server: Server) -> bool:
    try:
        socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))).close()
    except OSError:
        return False
    return True


def test_every_line_of_the_log_is_json_with_its_request_and_without_a_key(tmp_path: Path) -> None:
    with run_server(tmp_path / "data", "--log-level", "debug") as server:
        answer = httpx.get(f"{server.url}{PROJECT}", headers=HEADERS)
        httpx.get(f"{server.url}{PROJECT}", headers={"Authorization": "APIKey 7_this-is-not-a-key-of-ours"})

    text = server.log.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert all({"timestamp", "level", "logger", "event"} <= line.keys() for line in lines)
    requests = [line for line in lines if line["event"] == "request"]
    assert all(re.fullmatch("[0-9a-f]{32}", line["request_id"]) for line in requests)
    (ours,) = [line for line in requests if line["request_id"] == answer.headers["x-request-id"]]
    assert (ours["method"], ours["path"], ours["status"]) == ("GET", PROJECT, 200)
    assert KEY not in text
    assert "this-is-not-a-key-of-ours" not in text


def test_text_logs_are_for_people(tmp_path: Path) -> None:
    with run_server(tmp_path / "data", "--log-format", "text") as server:
        httpx.get(f"{server.url}{PROJECT}", headers=HEADERS)

    assert re.search(r"\[info +\] request .*path=/cloud/v1/projects/1", server.log.read_text())


def test_it_tells_whether_database_and_driver_are_fit(server: Server) -> None:
    ready = httpx.get(f"{server.url}/readyz").json()

    assert (ready["status"], ready["database"], ready["driver"]) == ("ready", "ok", "ok")


def test_it_does_not_load_what_few_requests_need(tmp_path: Path) -> None:
    with run_server(tmp_path / "data") as server:
        loaded = Path(f"/proc/{server.process.pid}/maps").read_text()

    assert "uvloop" in loaded
    assert not [name for name in ("cryptography", "psycopg") if name in loaded]


def test_figures_may_ask_for_a_key(tmp_path: Path) -> None:
    with run_server(tmp_path / "data", "--metrics-key-required") as server:
        without, with_key = httpx.get(f"{server.url}/metrics"), httpx.get(f"{server.url}/metrics", headers=HEADERS)

    assert (without.status_code, with_key.status_code) == (401, 200)
    assert "pileus_requests_total" in with_key.text


def test_two_processes_serve_the_same_data_and_count_together(two: Server) -> None:
    workers = children(two.process.pid)

    for name in ("one", "two", "three", "four"):
        changed = httpx.patch(f"{two.url}{PROJECT}", headers=HEADERS, json={"name": name})
        names = {httpx.get(f"{two.url}{PROJECT}", headers=HEADERS).json()["name"] for _ in range(8)}
        assert (changed.status_code, names) == (200, {name})

    assert len(workers) == 2
    counted = httpx.get(f"{two.url}/metrics").text
    line = r'^pileus_requests_total{method="PATCH",operation="update_project",route="[^"]+",status="200"} (\S+)'
    (patches,) = re.findall(line, counted, re.MULTILINE)
    assert float(patches) == 4


def test_a_process_that_dies_is_started_again(two: Server) -> None:
    before = children(two.process.pid)
    victim = min(before)

    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: len(children(two.process.pid) - {victim}) == 2)

    assert before - {victim} < children(two.process.pid)
    assert httpx.get(f"{two.url}{PROJECT}", headers=HEADERS).status_code == 200
    (line,) = [json.loads(line) for line in two.log.read_text().splitlines() if "A worker has ended" in line]
    assert (line["level"], line["code"]) == ("error", -signal.SIGKILL)


def test_no_process_outlives_a_parent_that_is_killed(tmp_path: Path) -> None:
    server = start_server(tmp_path / "data", "--workers", "2")
    workers = children(server.process.pid)

    server.stop(signal.SIGKILL)
    wait_until(lambda: not any(map(is_alive, workers)))

    assert len(workers) == 2
    with run_server(tmp_path / "data") as again:
        assert httpx.get(f"{again.url}{PROJECT}", headers=HEADERS).status_code == 200
