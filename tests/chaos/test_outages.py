"""PostgreSQL stops, hangs, loses connections and comes back: callers soon get 503, and nothing is lost or repeated."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from pileus.app import run_cloud
from pileus.store.postgres_connections import LONGEST_STATEMENT
from pileus.store.secrets import KEY_FILE
from tests.app_settings import checked_settings
from tests.chaos.proxies import Proxy, proxy_of
from tests.chaos.rounds import IS_LONG, current_figures, rounds
from tests.databases import database_url
from tests.orders import an_order
from tests.servers import start_server
from tests.tenants import Tenant, new_tenant

SOON = 2.0 if IS_LONG else 10.0
"""Seconds in which a caller gets an answer during an outage, and a good answer after it.

The short form runs beside other tests, on a busy machine. Ten seconds are still less than any time-out of a server.
"""
LONG_ENOUGH = 2.0
"""Seconds in which each source of background work polls at least once."""
SOURCES = ("No task could be claimed", "Polling schedules failed", "Polling subscriptions failed")
"""What the log says about each source of background work, whose polls are frequent enough to meet a short outage."""


@dataclass(slots=True)
class Outage:
    """A cloud whose connections to PostgreSQL lead through a proxy, and a tenant with an instance."""

    proxy: Proxy
    tenant: Tenant
    url: str
    instance_id: str
    secrets_key: Path

    @property
    def instance_path(self) -> str:
        """The path of the instance."""
        return self.tenant.path("instances", self.instance_id)

    async def send_every_kind_of_request(self) -> list[tuple[httpx.Response, float]]:
        """Send a lookup, a list, a change, a creation and the questions of monitoring; return answers and seconds."""
        requests: list[tuple[str, str, Any]] = [
            ("GET", self.instance_path, None),
            ("GET", self.tenant.path("instances"), None),
            ("PATCH", self.instance_path, {"name": "renamed"}),
            ("POST", self.tenant.path("instances", version=2), an_order()),
            ("GET", "/cloud/v1/tasks", None),
            ("GET", "/readyz", None),
        ]
        return await asyncio.gather(*(self.send(*request) for request in requests))

    async def send(self, method: str, path: str, body: Any = None) -> tuple[httpx.Response, float]:
        """Send a request; return the answer and the seconds that it took."""
        started_at = time.monotonic()
        answer = await self.tenant.api.request(method, path, json=body)
        current_figures().update({f"answers_{answer.status_code}": 1})
        return answer, time.monotonic() - started_at

    async def wait_until_back(self) -> None:
        """Send requests until one succeeds. Raises TimeoutError if that takes too long."""
        async with asyncio.timeout(SOON):
            while (await self.tenant.api.get(self.instance_path)).status_code != 200:
                pass

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Query the database directly."""
        with psycopg.connect(self.url) as connection:
            return connection.execute(sql.encode()).fetchall()


@pytest.fixture(scope="module")
async def shared_outage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Outage]:
    async with run_cloud_behind_proxy(tmp_path_factory.mktemp("outages")) as outage:
        yield outage


@pytest.fixture
async def outage(shared_outage: Outage) -> AsyncIterator[Outage]:
    """The cloud behind the proxy, which works again for the next test, also after a test that fails."""
    yield shared_outage
    await shared_outage.proxy.restore()
    await shared_outage.wait_until_back()


@asynccontextmanager
async def run_cloud_behind_proxy(data: Path) -> AsyncIterator[Outage]:
    """Run a cloud with an instance, whose database can be made to fail."""
    with database_url("postgres") as url:
        async with proxy_of(url) as (proxy, proxied_url):
            settings = checked_settings(data=data, database=proxied_url, log_level="warning", lease_seconds=1)
            async with run_cloud(settings) as cloud, new_tenant(cloud) as tenant:
                creation = await tenant.api.post(tenant.path("instances", version=2), json=an_order())
                created = (await tenant.wait_until_finished(creation))["created_resources"]
                yield Outage(proxy, tenant, url, created["instances"][0], data / KEY_FILE)


def check_unavailable(answers: list[tuple[httpx.Response, float]]) -> None:
    """Check that all answers are 503, in time and in the API's shape."""
    for answer, seconds in answers:
        assert answer.status_code == 503, (answer.request.url, answer.text)
        assert answer.json()["exception_class"] == "ServiceUnavailable"
        assert int(answer.headers["retry-after"]) >= 1
        assert seconds < SOON, answer.request.url


async def check_alive(outage: Outage) -> None:
    answer, seconds = await outage.send("GET", "/healthz")
    assert (answer.status_code, seconds < SOON) == (200, True)


async def test_a_server_that_refuses_connections_gives_503_until_it_is_back(outage: Outage) -> None:
    for _ in rounds(2):
        await outage.proxy.refuse()
        check_unavailable(await outage.send_every_kind_of_request())
        await check_alive(outage)
        check_unavailable(await asyncio.gather(*(outage.send("GET", outage.instance_path) for _ in range(200))))
        await outage.proxy.accept()
        await outage.wait_until_back()


async def test_a_server_that_hangs_gives_503_until_it_is_back(outage: Outage) -> None:
    for _ in rounds(2):
        await outage.proxy.hang()
        check_unavailable(await outage.send_every_kind_of_request())
        await check_alive(outage)
        check_unavailable(await asyncio.gather(*(outage.send("GET", outage.instance_path) for _ in range(200))))
        outage.proxy.resume()
        await outage.wait_until_back()


async def test_lost_connections_are_replaced_unnoticed(outage: Outage) -> None:
    """As after a restart of PostgreSQL between two requests, when all connections of the pool are dead."""
    for _ in rounds(5):
        await asyncio.gather(*(outage.send("GET", outage.instance_path) for _ in range(30)))
        await outage.proxy.lose_connections()

        answers = await asyncio.gather(
            *(outage.send("GET", outage.instance_path) for _ in range(20)),
            *(outage.send("GET", outage.tenant.path("instances")) for _ in range(10)),
            *(outage.send("PATCH", outage.instance_path, {"tags": {f"tag-{n}": "1"}}) for n in range(10)),
        )

        assert Counter(answer.status_code for answer, _ in answers) == {200: 40}


async def test_a_change_whose_connection_breaks_before_its_commit_runs_again(outage: Outage) -> None:
    for number in rounds(5):
        name = f"again-{number}"
        # The statement that reads and locks the instance; the name goes with the COMMIT.
        break_once(outage.proxy, outage.instance_id.encode())
        answer, _ = await outage.send("PATCH", outage.instance_path, {"name": name})

        assert (answer.status_code, outage.proxy.breaks) == (200, 0)
        assert count_audited(outage, name) == 1


async def test_a_change_whose_commit_is_lost_gives_503(outage: Outage) -> None:
    for number in rounds(5):
        name = f"lost-{number}"
        # The COMMIT goes with the name. Other transactions, such as those of leases, have COMMITs of their own.
        break_once(outage.proxy, name.encode())
        answer, _ = await outage.send("PATCH", outage.instance_path, {"name": name})

        check_unavailable([(answer, 0)])
        assert (outage.proxy.breaks, count_audited(outage, name)) == (0, 0)


async def test_a_change_whose_outcome_is_unknown_gives_503_and_is_not_repeated(outage: Outage) -> None:
    for number in rounds(5):
        name = f"unknown-{number}"
        break_once(outage.proxy, name.encode(), after_forwarding=True)
        answer, _ = await outage.send("PATCH", outage.instance_path, {"name": name})

        check_unavailable([(answer, 0)])
        assert outage.proxy.breaks == 0
        assert count_audited(outage, name) <= 1


def break_once(proxy: Proxy, pattern: bytes, *, after_forwarding: bool = False) -> None:
    """Break the connection that sends the pattern next, before or after the server gets it."""
    proxy.pattern, proxy.breaks, proxy.break_after_forwarding = pattern, 1, after_forwarding


def count_audited(outage: Outage, name: str) -> int:
    """Count how often the audit log says that the instance got a name."""
    statement = f"SELECT count(*) FROM user_actions WHERE action_type = 'update' AND action_data LIKE '%\"{name}\"%'"
    return int(outage.rows(statement)[0][0])


async def test_tasks_survive_outages(outage: Outage) -> None:
    tasks: list[str] = []
    for _ in rounds(3):
        for _ in range(4):
            answer, _ = await outage.send("POST", outage.tenant.path("instances", version=2), an_order())
            assert answer.status_code == 200, answer.text
            tasks += answer.json()["tasks"]
        await outage.proxy.refuse()
        check_unavailable([await outage.send("GET", outage.instance_path)])
        await outage.proxy.accept()
        await outage.wait_until_back()

    ended = [await outage.tenant.wait_for_task(task_id) for task_id in tasks]

    assert {(task["state"], task["error"]) for task in ended} == {("FINISHED", None)}
    assert outage.rows("SELECT count(*) FROM instances WHERE task_id IS NOT NULL") == [(0,)]


async def test_an_outage_is_logged_once_for_each_source(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    # A cloud of its own: to a source that has not polled since an earlier outage, both are the same.
    async with run_cloud_behind_proxy(tmp_path) as outage:
        with caplog.at_level(logging.INFO):
            await lose_database_for_a_while(outage, caplog)

        events = Counter(record.getMessage() for record in caplog.records)
        assert {source: events[source] for source in SOURCES} == dict.fromkeys(SOURCES, 1)
        assert (events["The database does not answer"], events["The database answers again"]) == (1, 1)
        assert [record for record in caplog.records if record.exc_info] == []


async def lose_database_for_a_while(outage: Outage, caplog: pytest.LogCaptureFixture) -> None:
    """Lose the database until all sources have logged that, and wait until it is back."""
    await outage.proxy.refuse()
    started_at = time.monotonic()
    while time.monotonic() - started_at < LONG_ENOUGH or not all(source in caplog.text for source in SOURCES):
        check_unavailable([await outage.send("GET", outage.instance_path)])
    await outage.proxy.accept()
    await outage.wait_until_back()


async def test_one_connection_that_hangs_does_not_stop_the_others(outage: Outage) -> None:
    """A statement that waits for a lock ends by 503 at last; all others go on."""
    with psycopg.connect(outage.url) as blocker:
        blocker.execute("SELECT 1 FROM instances WHERE id = %s FOR UPDATE", (outage.instance_id,))
        blocked = asyncio.create_task(outage.send("PATCH", outage.instance_path, {"name": "blocked"}))
        while not blocked.done():
            answer, seconds = await outage.send("GET", outage.instance_path)
            assert (answer.status_code, seconds < SOON) == (200, True)

    answer, seconds = blocked.result()
    assert (answer.status_code, seconds < LONGEST_STATEMENT + SOON) == (503, True)


@pytest.mark.parametrize("break_server", [Proxy.refuse, Proxy.hang], ids=["refuses", "hangs"])
async def test_a_server_stops_cleanly_during_an_outage(
    outage: Outage, tmp_path: Path, break_server: Callable[[Proxy], Awaitable[None]]
) -> None:
    async with proxy_of(outage.url) as (proxy, url):
        options = ("--database", url, "--secrets-key", str(outage.secrets_key))
        server = await asyncio.to_thread(start_server, tmp_path / "data", *options)
        await break_server(proxy)
        async with httpx.AsyncClient(base_url=server.url, timeout=SOON) as client:
            assert (await client.get("/readyz")).status_code == 503

        assert await asyncio.to_thread(server.stop) == 0
