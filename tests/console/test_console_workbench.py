"""The workbench of the web console, which controls a simulated cloud."""

import json
import os
import shutil
import socket
import subprocess
from pathlib import Path
from urllib.parse import unquote

import httpx
import pytest

from tests.console.conftest import Browser
from tests.console.resources import read_error, run_dialogs
from tests.orders import an_order

pytestmark = pytest.mark.timeout(180)


def test_the_workbench_injects_faults_limits_capacity_and_stops_the_clock(browser: Browser, api: httpx.Client) -> None:
    fault = {"kind": "respond", "operation": "list_routers", "status": 429, "retry_after": 2, "times": 1}
    step = {"kind": "fail", "task_type": "create_volume", "step": "create the volume", "message": "no room", "times": 1}
    http, tasks, limited, frozen = run_dialogs(
        browser,
        {"path": "http_faults?do=create", "values": fault},
        {"path": "faults?do=create", "values": step},
        {"path": "capacities?do=create", "values": {"flavor_id": "g1-standard-1-2", "servers": 0}},
        {"path": "cloud", "press": "Freeze", "values": {"time": "2030-01-01T00:00:00Z"}},
    )
    answers = [api.get("/cloud/v1/routers/1/1") for _ in range(2)]
    (task_id,) = api.post("/cloud/v1/volumes/1/1", json={"name": "full", "size": 1, "source": "new-volume"}).json()[
        "tasks"
    ]
    full = api.post("/cloud/v2/instances/1/1", json=an_order(name="too many"))

    assert "list_routers" in http["text"]
    assert http["command"] == "pileus sim http respond list_routers --status 429 --retry-after 2 --times 1"
    assert [answer.status_code for answer in answers] == [429, 200]
    assert tasks["command"] == "pileus sim fail create_volume --step 'create the volume' --message 'no room' --times 1"
    assert read_error(api, task_id) == "no room"
    assert limited["command"] == "pileus sim capacity g1-standard-1-2 0"
    assert "g1-standard-1-2" in limited["text"]
    assert (full.status_code, "g1-standard-1-2" in full.json()["message"]) == (403, True)
    assert frozen["command"] == "pileus sim clock freeze 2030-01-01T00:00:00Z"
    assert api.get("/_pileus/clock").json()["frozen"]
    run_dialogs(
        browser,
        {"path": "http_faults", "row": "list_routers", "press": "Delete"},
        {"path": "capacities", "row": "g1-standard-1-2", "press": "Remove the limit"},
        {"path": "cloud", "press": "Real time"},
    )
    assert (api.get("/_pileus/http_faults").json(), api.get("/_pileus/capacities").json()) == ([], [])
    assert not api.get("/_pileus/clock").json()["frozen"]


def test_the_state_of_the_cloud_is_saved_and_loaded(browser: Browser, api: httpx.Client, tmp_path: Path) -> None:
    api.post("/cloud/v1/ssh_keys/1", json={"name": "in the file"})
    result = browser.run("save_and_load", file=str(tmp_path / "cloud.state"))

    assert result == {"heading": "Instances", "errors": []}
    names = [entry["name"] for entry in api.get("/cloud/v1/ssh_keys/1").json()["results"]]
    assert "in the file" in names


def test_the_request_log_shows_what_clients_sent_and_replays_it(browser: Browser, api: httpx.Client) -> None:
    body = {"name": "logged", "sizee": 3}
    api.post("/cloud/v1/ssh_keys/1?colour=red", json=body)
    result = browser.run("request_log", text="colour=red")
    sent, answer, replay = result["bodies"]

    assert "POST /cloud/v1/ssh_keys/1?colour=red 201" in result["line"].replace("\n", " ")
    assert "not read: " in result["line"]
    assert ("colour" in result["line"], "sizee" in result["line"]) == (True, True)
    assert json.loads(sent) == body
    assert json.loads(answer)["name"] == "logged"
    assert replay.startswith("curl -X POST \"$GCORE_BASE_URL\"'/cloud/v1/ssh_keys/1?colour=red'")
    assert result["errors"] == []


@pytest.mark.skipif(not shutil.which("sh"), reason="needs a shell")
def test_a_replayed_request_runs_no_command_of_its_sender(browser: Browser, api: httpx.Client, tmp_path: Path) -> None:
    target = "/cloud/v1/$(touch%20path)%60touch%20path%60%22'%0A?injected=$(touch${IFS}query)`touch${IFS}query`'"
    # The client would encode these characters.
    with socket.create_connection((api.base_url.host, api.base_url.port or 80)) as connection:
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: cloud\r\nConnection: close\r\n\r\n".encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 4")
    replay = browser.run("request_log", text="injected=")["bodies"][-1]
    script = f"curl() {{ printf '%s\\n' \"$3\"; }}\n{replay}"
    environment = {"GCORE_BASE_URL": "https://cloud", "GCORE_API_KEY": "key", "PATH": os.environ["PATH"]}
    url = subprocess.check_output(["sh", "-c", script], cwd=tmp_path, env=environment, text=True).strip()

    assert list(tmp_path.iterdir()) == []
    path, _, query = url.removeprefix("https://cloud").partition("?")
    assert unquote(path) == unquote(target.partition("?")[0])
    assert query == target.partition("?")[2]


def test_the_workbench_resets_a_project(browser: Browser, api: httpx.Client) -> None:
    project = api.post("/cloud/v1/projects", json={"name": "to reset"}).json()["id"]
    api.post(f"/cloud/v1/ssh_keys/{project}", json={"name": "gone"})

    assert browser.run("reset_project", path=f"/ui/{project}/1/cloud") == []
    assert api.get(f"/cloud/v1/ssh_keys/{project}").json()["count"] == 0
