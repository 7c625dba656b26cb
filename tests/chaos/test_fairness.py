"""A quiet tenant beside one that does its worst: it gets its turn at once, and hardly waits longer than alone."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.chaos.installations import PLACE, client_of
from tests.chaos.loads import CLIENTS, LOADS, running_load
from tests.chaos.rounds import IS_LONG, current_figures, rounds
from tests.chaos.writers import create, finish
from tests.orders import an_order
from tests.servers import Server, run_server

CYCLES = 10
"""How often the quiet tenant sends each of its requests in a round."""
MOST_TURNS = 3 * CLIENTS
"""Answers to the other tenant between a request of the quiet one and its answer."""
MOST_SLOWER = 5.0
"""How many times as long the slowest of a hundred answers may take beside a load."""
LEAST_ALONE = 20.0
"""Milliseconds: shorter waits count as these, because the processor gives its turns to processes no more evenly."""


@dataclass(slots=True)
class Neighbours:
    """A quiet tenant with an instance, and the key and project of a tenant that runs loads."""

    server: Server
    api: httpx.AsyncClient
    instance_path: str
    busy_token: str
    busy_project_id: int

    def requests(self) -> list[tuple[str, str, Any]]:
        """Return what the quiet tenant does: a lookup, a list and a change."""
        return [
            ("GET", self.instance_path, None),
            ("GET", f"/cloud/v1/instances/{PLACE}", None),
            ("PATCH", self.instance_path, {"tags": {"key": str(time.monotonic())}}),
        ]

    async def measure(self, answered: Any = None) -> tuple[list[float], list[int]]:
        """Send requests one after the other; return their seconds, and the answers to the other tenant meanwhile."""
        seconds, turns = [], []
        for _ in range(CYCLES):
            for method, path, body in self.requests():
                turn, started_at = answered.value if answered else 0, time.monotonic()
                answer = await self.api.request(method, path, json=body)
                seconds.append(time.monotonic() - started_at)
                turns.append((answered.value if answered else 0) - turn)
                assert answer.status_code == 200, answer.text
        return seconds, turns


@pytest.fixture(scope="module")
async def neighbours(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Neighbours]:
    data = tmp_path_factory.mktemp("fairness") / "data"
    with run_server(data, "--log-level", "error", "--image-sources", "any") as server:
        async with client_of(server) as api:
            instance_id = await create(api, "/cloud/v2/instances", "instances", an_order())
            tenant_id = (await api.post("/_pileus/tenants", json={"name": "busy"})).json()["id"]
            key = {"name": "load", "role": "Administrators"}
            token = (await api.post(f"/_pileus/tenants/{tenant_id}/keys", json=key)).json()["token"]
            headers = {"Authorization": f"APIKey {token}"}
            (project,) = (await api.get("/cloud/v1/projects", headers=headers)).json()["results"]
            limits = {"volume_count_limit": 10**6, "volume_size_limit": 10**7}
            raised = await api.put("/_pileus/quotas/1", params={"client_id": tenant_id}, json=limits)
            assert raised.is_success, raised.text
            yield Neighbours(server, api, f"/cloud/v1/instances/{PLACE}/{instance_id}", token, project["id"])


async def wait_for_load(answered: Any) -> None:
    """Wait until the load has begun."""
    while answered.value == 0:  # noqa: ASYNC110  # the other process does not notify
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("name", [name for name in LOADS if name not in {"connections", "downloads"}])
async def test_a_request_waits_for_few_of_another_tenant(neighbours: Neighbours, name: str) -> None:
    arguments = (neighbours.server.url, neighbours.busy_token, neighbours.busy_project_id)
    for _ in rounds(1):
        with running_load(name, *arguments) as answered:
            await wait_for_load(answered)
            _, turns = await neighbours.measure(answered)

        assert sum(turns) > 0
        assert sorted(turns)[int(0.9 * len(turns))] <= MOST_TURNS, turns


@pytest.mark.parametrize("name", LOADS)
async def test_a_task_ends_while_another_tenant_does_its_worst(neighbours: Neighbours, name: str) -> None:
    arguments = (neighbours.server.url, neighbours.busy_token, neighbours.busy_project_id)
    for _ in rounds(1):
        with running_load(name, *arguments) as answered:
            await wait_for_load(answered)
            await finish(neighbours.api, await neighbours.api.post(f"/cloud/v1/floatingips/{PLACE}", json={}))


@pytest.mark.skipif(not IS_LONG, reason="measures times: run `make chaos`")
@pytest.mark.parametrize("name", LOADS)
async def test_a_quiet_tenant_hardly_waits_longer_than_alone(neighbours: Neighbours, name: str) -> None:
    arguments = (neighbours.server.url, neighbours.busy_token, neighbours.busy_project_id)
    alone, beside = [], []
    for _ in rounds(6):
        alone += (await neighbours.measure())[0]
        with running_load(name, *arguments) as answered:
            await wait_for_load(answered)
            beside += (await neighbours.measure(answered))[0]

    p99_alone, p99_beside = (1000 * sorted(seconds)[int(0.99 * len(seconds))] for seconds in (alone, beside))
    figures = current_figures()
    figures[f"{name}_p99_alone_ms"], figures[f"{name}_p99_beside_ms"] = round(p99_alone), round(p99_beside)
    assert p99_beside <= MOST_SLOWER * max(p99_alone, LEAST_ALONE), (p99_alone, p99_beside)
