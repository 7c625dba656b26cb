"""What was acknowledged outlives a server that is killed in the middle of its work, and nothing is left half done."""

import asyncio
import random
import signal
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from pileus.store.project_contents import LOCKABLE
from tests.databases import BACKENDS, database_url
from tests.orders import an_order, boot
from tests.servers import KEY, Server, start

ROUNDS = 3
KEYS = tuple(f"counter-{number}" for number in range(6))
CREATORS = 3
ALL = "/cloud/v1/instances/1/1"
# What else is made and deleted meanwhile, and under which name its task tells of it.
THINGS: dict[str, tuple[dict[str, Any], str]] = {
    "volumes": ({"name": "data", "source": "new-volume", "size": 1}, "volumes"),
    "floatingips": ({}, "floatingips"),
    "reserved_fixed_ips": ({"type": "external"}, "ports"),
    "networks": ({"name": "inside", "create_router": False}, "networks"),
}
TASKS_LEFT = "SELECT count(*) FROM tasks WHERE state IN ('NEW', 'RUNNING')"
ENDED = ("FINISHED", "ERROR")

Rows = Sequence[tuple[Any, ...]]


@dataclass(slots=True)
class Ledger:
    """What the server has acknowledged."""

    counters: dict[str, int] = field(default_factory=dict)
    creations: list[str] = field(default_factory=list)
    deletions: dict[str, str] = field(default_factory=dict)
    made: list[tuple[str, str]] = field(default_factory=list)
    gone: set[tuple[str, str]] = field(default_factory=set)
    enough: asyncio.Event = field(default_factory=asyncio.Event)
    wanted: int = 0

    def count(self) -> None:
        """One more; enough of them end the storm."""
        self.wanted -= 1
        if self.wanted <= 0 and self.creations:
            self.enough.set()


@dataclass(slots=True)
class Place:
    """A data directory and a database that outlive their servers."""

    data: Path
    url: str
    server: Server | None = None

    def start(self) -> Server:
        """Start a server on it; the lease is as short as can be, for on PostgreSQL it is waited for."""
        more = ("--database", self.url) if self.url else ()
        self.server = start(self.data, "--lease-seconds", "1", "--log-level", "warning", *more)
        return self.server

    def rows(self, sql: str) -> Rows:
        """What the database itself holds."""
        if self.url:
            with psycopg.connect(self.url) as connection:
                return connection.execute(sql.encode()).fetchall()
        with closing(sqlite3.connect(self.data / "pileus.db")) as database:
            return database.execute(sql).fetchall()


@pytest.fixture(params=BACKENDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with database_url(request.param) as url:
        found = Place(tmp_path / "data", url)
        yield found
        if found.server:
            found.server.stop(signal.SIGKILL)


def client_of(server: Server) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=server.url, headers={"Authorization": f"APIKey {KEY}"}, timeout=20)


async def finished(client: httpx.AsyncClient, answer: httpx.Response) -> dict[str, Any]:
    """The task of an answer, when it has ended well."""
    assert answer.status_code == 200, answer.text
    (task_id,) = answer.json()["tasks"]
    while (task := (await client.get(f"/cloud/v1/tasks/{task_id}")).json())["state"] not in ENDED:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    assert task["state"] == "FINISHED", task["error"]
    return dict(task)


async def an_instance(client: httpx.AsyncClient, name: str) -> str:
    task = await finished(client, await client.post("/cloud/v2/instances/1/1", json=an_order(name=name)))
    return str(task["created_resources"]["instances"][0])


async def patch_on(client: httpx.AsyncClient, ledger: Ledger, instance_id: str, key: str) -> None:
    """Count in a tag, one after the other."""
    while True:
        value = ledger.counters.get(key, 0) + 1
        answer = await client.patch(f"{ALL}/{instance_id}", json={"tags": {key: str(value)}})
        assert answer.status_code == 200, answer.text
        ledger.counters[key] = value
        ledger.count()


async def create_on(client: httpx.AsyncClient, ledger: Ledger) -> None:
    """Make instances, and delete every second one again."""
    while True:
        volumes = [boot(delete_on_termination=True)]
        answer = await client.post("/cloud/v2/instances/1/1", json=an_order(name="stormy", volumes=volumes))
        assert answer.status_code == 200, answer.text
        ledger.creations += answer.json()["tasks"]
        ledger.count()
        if len(ledger.creations) % 2:
            task = await finished(client, answer)
            (instance_id,) = task["created_resources"]["instances"]
            answer = await client.delete(f"{ALL}/{instance_id}")
            assert answer.status_code == 200, answer.text
            ledger.deletions[instance_id] = answer.json()["tasks"][0]


async def make_on(client: httpx.AsyncClient, ledger: Ledger, noun: str) -> None:
    """Make things of a kind, and delete every second one again."""
    body, kind = THINGS[noun]
    while True:
        answer = await client.post(f"/cloud/v1/{noun}/1/1", json=body)
        assert answer.status_code == 200, answer.text
        ledger.made += [(noun, task_id) for task_id in answer.json()["tasks"]]
        ledger.count()
        if len(ledger.made) % 2:
            (thing_id,) = (await finished(client, answer))["created_resources"][kind]
            answer = await client.delete(f"/cloud/v1/{noun}/1/1/{thing_id}")
            assert answer.status_code == 200, answer.text
            ledger.gone.add((noun, str(thing_id)))


async def storm(server: Server, ledger: Ledger, counting: str) -> None:
    """Change things from many sides until enough was acknowledged, then kill the server."""
    ledger.enough.clear()
    ledger.wanted = random.randrange(100, 300)  # noqa: S311  # a moment, not a secret
    async with client_of(server) as client, asyncio.TaskGroup() as group:
        work = [patch_on(client, ledger, counting, key) for key in KEYS]
        work += [create_on(client, ledger) for _ in range(CREATORS)]
        work += [make_on(client, ledger, noun) for noun in THINGS]
        running = [group.create_task(_until_it_dies(each)) for each in work]
        waiting = asyncio.create_task(ledger.enough.wait())
        await asyncio.wait({waiting, *running}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        server.stop(signal.SIGKILL)


async def _until_it_dies(work: Any) -> None:
    with suppress(httpx.TransportError):
        await work


async def no_task_is_left(place: Place, held: int) -> None:
    async with asyncio.timeout(20):
        while place.rows(TASKS_LEFT)[0][0] > held:  # noqa: ASYNC110  # only asking tells
            await asyncio.sleep(0.02)


def check_locks(place: Place) -> None:
    """A lock is held by a task that goes on."""
    for table in LOCKABLE:
        orphans = place.rows(
            f"SELECT id, task_id FROM {table} WHERE task_id IS NOT NULL"
            " AND task_id NOT IN (SELECT id FROM tasks WHERE state IN ('NEW', 'RUNNING'))"
        )
        assert orphans == [], table


def check_addresses(place: Place) -> None:
    """Every port and floating IP has an address of its own, and every address one of them."""
    given = place.rows(
        "SELECT a.ip, coalesce(a.port_id, a.floating_ip_id) FROM addresses a JOIN subnets s ON s.id = a.subnet_id"
        " WHERE s.ip_version = 4"
    )
    owners = place.rows("SELECT id FROM ports UNION ALL SELECT id FROM floating_ips")
    plugged = place.rows("SELECT p.id FROM ports p JOIN instances i ON i.id = p.instance_id")
    instances = place.rows("SELECT id FROM instances")

    assert len({ip for ip, _ in given}) == len(given)
    assert sorted(owner for _, owner in given) == sorted(owner for (owner,) in owners)
    assert len(plugged) == len(instances)
    assert place.rows("SELECT id FROM ports WHERE instance_id IS NULL AND reserved = 0") == []


def check_world(place: Place) -> None:
    """The machines, volumes and networks that there are in the world are those that there are records of."""
    with closing(sqlite3.connect(place.data / "simulated.db")) as world:
        for there, here in (("machines", "instances"), ("volumes", "volumes"), ("networks", "networks")):
            known = place.rows(f"SELECT id FROM {here} WHERE project_id IS NOT NULL")
            found = world.execute(f"SELECT id FROM {there}").fetchall()
            assert sorted(found) == sorted(map(tuple, known)), there


async def check_ledger(client: httpx.AsyncClient, ledger: Ledger, counting: str) -> None:
    """Everything acknowledged is there; one more of each may have been written without its answer getting through."""
    tags = {tag["key"]: tag["value"] for tag in (await client.get(f"{ALL}/{counting}")).json()["tags"]}
    for key, value in ledger.counters.items():
        assert int(tags[key]) in (value, value + 1)
        ledger.counters[key] = int(tags[key])
    for task_id in ledger.creations:
        task = (await client.get(f"/cloud/v1/tasks/{task_id}")).json()
        assert task["state"] == "FINISHED", task["error"]
        (instance_id,) = task["created_resources"]["instances"]
        found = await client.get(f"{ALL}/{instance_id}")
        if found.status_code == 200:
            assert (found.json()["status"], instance_id in ledger.deletions) == ("ACTIVE", False)
    for noun, task_id in ledger.made:
        task = (await client.get(f"/cloud/v1/tasks/{task_id}")).json()
        assert task["state"] == "FINISHED", task["error"]
        (thing_id,) = task["created_resources"][THINGS[noun][1]]
        found = await client.get(f"/cloud/v1/{noun}/1/1/{thing_id}")
        assert (found.status_code == 404) or (noun, thing_id) not in ledger.gone
    for noun, thing_id in ledger.gone:
        assert (await client.get(f"/cloud/v1/{noun}/1/1/{thing_id}")).status_code == 404
    for instance_id in ledger.deletions:
        assert (await client.get(f"{ALL}/{instance_id}")).status_code == 404


async def test_what_was_acknowledged_outlives_a_killed_server(place: Place) -> None:
    ledger, server = Ledger(), place.start()
    async with client_of(server) as client:
        counting, held = await an_instance(client, "counting"), await an_instance(client, "held")
        await client.post("/_pileus/faults", json={"kind": "hold", "task_type": "stop_vm"})
        stopping = await client.post(f"/cloud/v2/instances/1/1/{held}/action", json={"action": "stop"})

    for _ in range(ROUNDS):
        await storm(server, ledger, counting)
        server = place.start()
        check_locks(place)
        await no_task_is_left(place, held=1)
        check_locks(place)
        check_addresses(place)
        check_world(place)
        async with client_of(server) as client:
            await check_ledger(client, ledger, counting)

    async with client_of(server) as client:
        await client.delete("/_pileus/faults")
        await finished(client, stopping)
        stopped = (await client.get(f"{ALL}/{held}")).json()
    assert server.stop() == 0
    assert (stopped["status"], stopped["task_id"]) == ("SHUTOFF", None)
    assert place.rows(TASKS_LEFT)[0][0] == 0
