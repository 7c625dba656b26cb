"""Start scripts: each start runs them in order, tells failures, and stops them with the server."""

import json
import os
import re
import signal
import sqlite3
from pathlib import Path

import httpx
import pytest

from pileus.client_variables import client_variables_of_project
from pileus.server.startup import StartError
from pileus.testing import cloud
from tests.servers import KEY, TIMEOUT, Server, run_server, spawn_server, start_server, wait_until

HEADERS = {"Authorization": f"APIKey {KEY}"}
CREATE_KEY = """
import json, os, sys, urllib.request
body = json.dumps({"name": sys.argv[0].rsplit("/")[-1]}).encode()
url = os.environ["GCORE_BASE_URL"] + "/cloud/v1/ssh_keys/" + os.environ["GCORE_CLOUD_PROJECT_ID"]
headers = {"Authorization": "APIKey " + os.environ["GCORE_API_KEY"], "Content-Type": "application/json"}
urllib.request.urlopen(urllib.request.Request(url, body, headers)).read()
"""
WAIT = 'sleep 1000 & echo $$ > "$STATE/pid"; wait\n'


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """Return a directory of start scripts."""
    directory = tmp_path / "start.d"
    directory.mkdir()
    return directory


def write_script(directory: Path, name: str, text: str, mode: int = 0o644) -> None:
    """Write a script."""
    file = directory / name
    file.write_text(text)
    file.chmod(mode)


def read_report(server: Server) -> tuple[int, dict[str, object]]:
    """Return the status and the body of the report of a start."""
    answer = httpx.get(f"{server.url}/startupz")
    return answer.status_code, answer.json()


def read_log(server: Server) -> list[dict[str, object]]:
    """Return the lines of a server's log."""
    return [json.loads(line) for line in server.log.read_text().splitlines()]


def is_alive(pid: int) -> bool:
    """Return whether a process runs."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")")[-1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("workers", ["1", "2"])
def test_each_start_runs_scripts_and_seed_files_in_the_order_of_their_names(
    workers: str, scripts: Path, tmp_path: Path
) -> None:
    write_script(scripts, "10-network.yaml", "networks: [{name: backend}]")
    write_script(scripts, "20-key.py", CREATE_KEY)
    write_script(scripts, "30-shell.sh", 'echo "shell $GCORE_BASE_URL"')
    write_script(scripts, "40-program", "#!/bin/sh\necho program >&2\n", 0o755)
    write_script(scripts, "50-without-first-line", "echo plain\n", 0o755)
    write_script(scripts, "README.md", "Not a script.")
    (scripts / "files").mkdir()
    options = ("--workers", workers, "--start-scripts", str(scripts))

    with run_server(tmp_path / "data", *options) as server:
        status, report = read_report(server)
        networks = httpx.get(f"{server.url}/cloud/v1/networks/1/1", headers=HEADERS).json()["results"]
        keys = httpx.get(f"{server.url}/cloud/v1/ssh_keys/1", headers=HEADERS).json()["results"]
        lines = read_log(server)

    assert (status, report["state"], report["message"]) == (200, "complete", "The start is complete")
    names = ["10-network.yaml", "20-key.py", "30-shell.sh", "40-program", "50-without-first-line"]
    assert report["steps"] == [
        {"name": name, "kind": "seed" if index == 0 else "script", "state": "complete", "error": ""}
        for index, name in enumerate(names)
    ]
    assert "backend" in [network["name"] for network in networks]
    assert [key["name"] for key in keys] == ["20-key.py"]
    output = [(line["script"], line["line"]) for line in lines if line["event"] == "Output of a start script"]
    assert output == [
        ("30-shell.sh", f"shell {server.url}"),
        ("40-program", "program"),
        ("50-without-first-line", "plain"),
    ]
    (warning,) = [line for line in lines if line["level"] == "warning"]
    assert (warning["event"], warning["file"]) == ("Not a start script: it is not executable", "README.md")

    write_script(scripts, "20-key.py", "print('again')")
    with run_server(tmp_path / "data", *options) as server:
        assert [line["line"] for line in read_log(server) if line.get("script") == "20-key.py"] == ["again"]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_scripts_and_seed_files_have_a_key_of_their_own_if_that_of_the_first_start_is_revoked(
    workers: str, scripts: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    with run_server(data, PILEUS_API_KEY=""):
        pass
    with sqlite3.connect(data / "pileus.db") as database:
        database.execute("UPDATE api_keys SET revoked_at = 1 WHERE id = 1")
    database.close()
    write_script(scripts, "10-network.yaml", "networks: [{name: backend}]")
    write_script(scripts, "20-key.py", CREATE_KEY)
    options = ("--workers", workers, "--start-scripts", str(scripts))

    with run_server(data, *options, PILEUS_API_KEY="") as server:
        _, report = read_report(server)
        assert server.process.stdout is not None
        output = "".join(server.process.stdout.readline() for _ in range(6))

    with sqlite3.connect(data / "pileus.db") as database:
        keys = database.execute("SELECT name, role, revoked_at IS NULL FROM api_keys ORDER BY id").fetchall()
    database.close()
    assert report["state"] == "complete", report
    assert "keys create NAME" in output
    assert keys == [("administrator", "Operators", 0), ("start", "Operators", 0)]
    assert not (data / "admin.key").exists()
    assert (data / "admin.key.invalid").exists()


def test_scripts_get_the_variables_of_all_clients_and_not_those_of_the_service_manager(
    scripts: Path, tmp_path: Path
) -> None:
    write_script(scripts, "show.sh", f"env > {tmp_path}/env; pwd > {tmp_path}/directory; cat > {tmp_path}/input\n")
    options = ("--start-scripts", str(scripts), "--host", "0.0.0.0", "--public-url", "https://cloud.example.org")  # noqa: S104  # a script reaches it by loopback

    with run_server(tmp_path / "data", *options, NOTIFY_SOCKET="/nowhere", WATCHDOG_USEC="1000000000") as server:
        pass

    variables = dict(line.partition("=")[::2] for line in (tmp_path / "env").read_text().splitlines())
    assert variables.items() >= client_variables_of_project(server.url, KEY, 1, 1).items()
    assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC"} & variables.keys()
    assert (tmp_path / "directory").read_text().strip() == str(scripts)
    assert (tmp_path / "input").read_text() == ""


def test_a_failed_script_is_told_and_the_others_run(scripts: Path, tmp_path: Path) -> None:
    write_script(scripts, "10-fails.sh", "echo first; echo last words >&2; exit 3\n")
    write_script(scripts, "20-killed.sh", "kill -KILL $$\n")
    write_script(scripts, "30-missing", "#!/nowhere/interpreter\n", 0o755)
    write_script(scripts, "40-wrong.yaml", "networks: [{name: a, tpye: vlan}]")
    write_script(scripts, "50-works.sh", "true\n")

    server = start_server(tmp_path / "data", "--start-scripts", str(scripts))
    status, report = read_report(server)
    alive = httpx.get(f"{server.url}/readyz").status_code
    assert server.process.stdout is not None
    server.process.send_signal(signal.SIGTERM)
    output = server.process.stdout.read()
    server.stop()

    errors = {
        "10-fails.sh": "exit code 3",
        "20-killed.sh": "ended by SIGKILL",
        "30-missing": "it cannot be run: No such file or directory",
        "40-wrong.yaml": "it cannot be applied: the log says why",
        "50-works.sh": "",
    }
    assert (status, report["state"], alive) == (503, "failed", 200)
    assert isinstance(report["steps"], list)
    assert {step["name"]: step["error"] for step in report["steps"]} == errors
    assert "The start has failed in part: 10-fails.sh: exit code 3; 20-killed.sh: ended by SIGKILL" in output
    failures = [line for line in read_log(server) if line["level"] == "error"]
    assert failures[0]["output"] == "first\nlast words"
    assert "40-wrong.yaml: networks[0].tpye: the network has no such field" in str(failures[3]["why"])


@pytest.mark.parametrize("workers", ["1", "2"])
def test_ctrl_c_stops_the_running_script_with_all_that_it_has_started(
    workers: str, scripts: Path, tmp_path: Path
) -> None:
    write_script(scripts, "10-waits.sh", WAIT)
    write_script(scripts, "20-later.sh", 'touch "$STATE/later"\n')
    options = ("--workers", workers, "--start-scripts", str(scripts))
    server = spawn_server(tmp_path / "data", *options, variables={"STATE": str(tmp_path)})
    pid_file = tmp_path / "pid"
    wait_until(lambda: pid_file.is_file() and pid_file.read_text().endswith("\n"))
    pid = int(pid_file.read_text())
    children = [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    status, report = read_report(server)

    code = server.stop(signal.SIGINT)

    assert (status, report["message"]) == (503, "The start runs 10-waits.sh, then 1 more")
    assert code == 0
    assert not any(map(is_alive, [pid, *children]))
    assert not (tmp_path / "later").exists()
    lines = read_log(server)
    assert lines[-1]["event"] == "Stopped"
    assert not [line for line in lines if line["level"] == "error"]


def test_a_program_that_a_script_leaves_in_the_background_does_not_delay_the_start(
    scripts: Path, tmp_path: Path
) -> None:
    write_script(scripts, "10-background.sh", f"sleep 1000 &\necho $! > {tmp_path}/pid\n")

    with run_server(tmp_path / "data", "--start-scripts", str(scripts)) as server:
        status, _ = read_report(server)
    pid = int((tmp_path / "pid").read_text())

    assert status == 200
    assert is_alive(pid)
    os.kill(pid, signal.SIGKILL)


def test_long_output_is_logged_in_pieces_and_not_kept(scripts: Path, tmp_path: Path) -> None:
    write_script(scripts, "10-long.py", "print('x' * 200_000); print('end')")

    with run_server(tmp_path / "data", "--start-scripts", str(scripts)) as server:
        lines = [str(line["line"]) for line in read_log(server) if line["event"] == "Output of a start script"]

    assert lines[-1] == "end"
    assert set("".join(lines[:-1])) == {"x"}
    assert max(map(len, lines)) <= 4096


def test_a_start_without_seed_and_scripts_is_complete_at_once(tmp_path: Path) -> None:
    with run_server(tmp_path / "data") as server:
        assert read_report(server) == (200, {"state": "complete", "message": "The start is complete", "steps": []})


def test_a_directory_that_does_not_exist_is_refused_before_anything_starts(tmp_path: Path) -> None:
    server = spawn_server(tmp_path / "data", "--start-scripts", str(tmp_path / "missing"))

    output, _ = server.process.communicate(timeout=TIMEOUT)

    assert (server.process.returncode, output) == (1, "")
    message = f"{tmp_path}/missing cannot be read: No such file or directory: name another with --start-scripts"
    assert re.search(re.escape(message), server.log.read_text())
    assert not (tmp_path / "data" / "pileus.db").exists()


def test_a_cloud_of_the_testing_package_runs_scripts_too(scripts: Path) -> None:
    write_script(scripts, "key.py", CREATE_KEY)

    with cloud(start_scripts=scripts) as running:
        keys = running.operator.get("/cloud/v1/ssh_keys/1").json()["results"]
        report = running.operator.get("/startupz").json()

    assert [key["name"] for key in keys] == ["key.py"]
    assert report["state"] == "complete"


def test_a_cloud_of_the_testing_package_refuses_a_directory_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="No such file or directory"), cloud(start_scripts=tmp_path / "missing"):
        pass
