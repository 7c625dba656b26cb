"""Faults of HTTP on a server with several processes: they hold in each, and survive a crash."""

from pathlib import Path
from typing import Any

import httpx

from tests.servers import KEY, Server, start_server

FAULTS = "/_pileus/http_faults"
HEADERS = {"Authorization": f"APIKey {KEY}"}


def send(server: Server, method: str, path: str, **options: Any) -> httpx.Response:
    """Send a request on a connection of its own, which any worker may accept."""
    return httpx.request(method, f"{server.url}{path}", headers=HEADERS, timeout=30, trust_env=False, **options)


def count_refusals(server: Server, requests: int) -> int:
    answers = [send(server, "GET", "/cloud/v1/projects") for _ in range(requests)]
    assert {answer.status_code for answer in answers} <= {200, 503}
    return sum(answer.status_code == 503 for answer in answers)


def test_a_fault_holds_in_all_workers_at_once_and_after_they_were_killed(tmp_path: Path) -> None:
    server = start_server(tmp_path / "data", "--workers", "2")
    try:
        body = {"kind": "respond", "status": 503, "operation": "list_projects", "times": 30}
        fault = send(server, "POST", FAULTS, json=body).json()

        assert count_refusals(server, 20) == 20
        server.kill()
        server = start_server(tmp_path / "data", "--workers", "2")
        assert send(server, "GET", f"{FAULTS}/{fault['id']}").json()["hits"] == 20
        assert count_refusals(server, 20) == 10

        send(server, "POST", FAULTS, json={**body, "times": None})
        assert count_refusals(server, 20) == 20
        assert send(server, "DELETE", FAULTS).status_code == 204
        assert count_refusals(server, 20) == 0
    finally:
        server.stop()
