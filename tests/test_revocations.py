"""A revocation that is answered holds in every worker process."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.servers import KEY, Server, run_server

REQUESTS = 40
"""Requests on connections of their own, so that each worker answers some of them."""


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with two worker processes."""
    with run_server(tmp_path_factory.mktemp("two") / "data", "--workers", "2") as server:
        yield server


def statuses(server: Server, token: str) -> set[int]:
    """Send requests to all workers and return their status codes."""
    headers = {"Authorization": f"APIKey {token}"}
    return {httpx.get(f"{server.url}/cloud/v1/projects", headers=headers).status_code for _ in range(REQUESTS)}


def call(server: Server, method: str, path: str, body: object = None) -> httpx.Response:
    """Send a request of the operator."""
    url, headers = f"{server.url}/_pileus/tenants/1{path}", {"Authorization": f"APIKey {KEY}"}
    return httpx.request(method, url, json=body, headers=headers).raise_for_status()


def revoke(server: Server, key_id: int) -> None:
    call(server, "DELETE", f"/keys/{key_id}")


def rotate(server: Server, key_id: int) -> None:
    call(server, "POST", f"/keys/{key_id}/rotate", {})


@pytest.mark.parametrize("end", [revoke, rotate])
def test_an_ended_token_is_refused_by_every_worker(two: Server, end: Callable[[Server, int], None]) -> None:
    key = call(two, "POST", "/keys", {"name": "pipeline"}).json()

    before = statuses(two, key["token"])
    end(two, key["id"])

    assert (before, statuses(two, key["token"])) == ({200}, {401})


def test_a_suspended_tenant_is_refused_by_every_worker_and_a_resumed_one_by_none(two: Server) -> None:
    operator = {"Authorization": f"APIKey {KEY}"}
    tenants = f"{two.url}/_pileus/tenants"
    client_id = httpx.post(tenants, json={"name": "acme"}, headers=operator).raise_for_status().json()["id"]
    key = httpx.post(f"{tenants}/{client_id}/keys", json={"name": "pipeline"}, headers=operator).raise_for_status()
    token = key.json()["token"]

    before = statuses(two, token)
    httpx.post(f"{tenants}/{client_id}/suspend", headers=operator).raise_for_status()
    suspended = statuses(two, token)
    httpx.post(f"{tenants}/{client_id}/resume", headers=operator).raise_for_status()

    assert (before, suspended, statuses(two, token)) == ({200}, {403}, {200})
