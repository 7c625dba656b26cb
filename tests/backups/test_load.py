"""A backup that is made under load has every change that was acknowledged before."""

import queue
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from tests.backups.archives import run_command
from tests.file_modes import mode_of
from tests.orders import an_order
from tests.servers import KEY, Server, run_server

HEADERS = {"Authorization": f"APIKey {KEY}"}
INSTANCES = "/cloud/v1/instances/1/1"


def create_instances(server: Server, stop: threading.Event, acknowledged: queue.Queue[str]) -> None:
    """Create instances until told to stop, and note the names of those that were acknowledged."""
    with httpx.Client(base_url=server.url, headers=HEADERS, timeout=30) as client:
        for number in range(10_000):
            if stop.is_set():
                return
            answer = client.post("/cloud/v2/instances/1/1", json=an_order(name=f"name-{number}"))
            assert answer.status_code == 200, answer.text
            acknowledged.put(f"name-{number}")


def list_answers(server: Server, names: Sequence[str]) -> dict[str, Any]:
    """Return what the server answers about the instances with some names."""
    answers = {}
    with httpx.Client(base_url=server.url, headers=HEADERS, timeout=30) as client:
        for instance in client.get(INSTANCES, params={"limit": 1000}).json()["results"]:
            if instance["name"] in names:
                answers[instance["name"]] = client.get(f"{INSTANCES}/{instance['id']}").json()
    return answers


def wait_for_tasks(server: Server) -> None:
    while httpx.get(f"{server.url}/readyz").json()["tasks_unfinished"]:
        pass


def test_a_backup_under_load_has_every_change_that_was_acknowledged_before(tmp_path: Path) -> None:
    backup, restored = tmp_path / "cloud.backup", tmp_path / "restored"
    acknowledged: queue.Queue[str] = queue.Queue()
    with run_server(tmp_path / "data", "--workers", "2") as server:
        stop = threading.Event()
        load = threading.Thread(target=create_instances, args=(server, stop, acknowledged))
        load.start()
        try:
            before = [acknowledged.get(timeout=30) for _ in range(20)]
            done = run_command("backup", str(backup), "--data", str(tmp_path / "data"), "--with-secrets-key")
        finally:
            stop.set()
            load.join()
        assert done.returncode == 0, done.stderr
        assert "Checked: everything is right." in done.stderr
        wait_for_tasks(server)
        expected = list_answers(server, before)

    assert mode_of(backup) == 0o600
    assert run_command("restore", str(backup), "--data", str(restored)).returncode == 0
    with run_server(restored) as server:
        wait_for_tasks(server)
        answers = list_answers(server, before)
        checked = run_command("db", "check", "--data", str(restored))

    assert expected.keys() == set(before)
    assert acknowledged.qsize() > 0
    assert _without_times(answers) == _without_times(expected)
    assert checked.stderr == "Everything is right.\n"


def _without_times(answers: dict[str, Any]) -> dict[str, Any]:
    """Leave out what depends on when the tasks went on: those that had not ended go on after the restoration."""
    return {
        name: {field: answer[field] for field in ("id", "name", "flavor", "created_at", "status", "metadata")}
        for name, answer in answers.items()
    }
