"""Acknowledged changes survive a killed server, and no change is left unfinished."""

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
from tests.servers import KEY, Server, start_server

ROUNDS = 3
KEYS = tuple(f"counter-{number}" for number in range(6))
CREATORS = 3
INSTANCES = "/cloud/v1/instances/1/1"
# Other resources that are created and deleted meanwhile: the request, and the kind in `created_resources`.
RESOURCES: dict[str, tuple[dict[str, Any], str]] = {
    "volumes": ({"name": "data", "source": "new-volume", "size": 1}, "volumes"),
    "floatingips": ({}, "floatingips"),
    "reserved_fixed_ips": ({"type": "external"}, "ports"),
    "networks": ({"name": "inside", "create_router": False}, "networks"),
}
UNFINISHED_TASKS = "SELECT count(*) FROM tasks WHERE state IN ('NEW', 'RUNNING')"
ENDED = ("FINISHED", "ERROR")
DRIVER_TABLES = {
    "instances": "simulated_machines",
    "volumes": "simulated_volumes",
    "networks": "simulated_network_parts WHERE kind = 'network'",
}
"""The tables of the simulated driver that correspond to those of the resources."""

Rows = Sequence[tuple[Any, ...]]


@dataclass(slots=True)
class Ledger:
    """The changes that the server has acknowledged: counters in tags, creating tasks, and deleted resources."""

    counters: dict[str, int] = field(default_factory=dict)
    instance_tasks: list[str] = field(default_factory=list)
    deleted_instances: dict[str, str] = field(default_factory=dict)
    resource_tasks: list[tuple[str, str]] = field(default_factory=list)
    deleted_resources: set[tuple[str, str]] = field(default_factory=set)
    enough: asyncio.Event = field(default_factory=asyncio.Event)
    required: int = 0

    def count_acknowledged(self) -> None:
        """Count one acknowledged change; set `enough` after the required number."""
        self.required -= 1
        if self.required <= 0 and self.instance_tasks:
            self.enough.set()


@dataclass(slots=True)
class Installation:
    """A data directory and a database that outlive their servers."""

    data: Path
    url: str
    server: Server | None = None

    def start(self) -> Server:
        """Start a server; its lease is short, because on PostgreSQL the next server waits until it expires."""
        database = ("--database", self.url) if self.url else ()
        self.server = start_server(self.data, "--lease-seconds", "1", "--log-level", "warning", *database)
        return self.server

    def rows(self, sql: str) -> Rows:
        """Query the database directly."""
        if self.url:
            with psycopg.connect(self.url) as connection:
                return connection.execute(sql.encode()).fetchall()
        with closing(sqlite3.connect(self.data / "pileus.db")) as database:
            return database.execute(sql).fetchall()


@pytest.fixture(params=BACKENDS)
def installation(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    with database_url(request.param) as url:
        created = Installation(tmp_path / "data", url)
        yield created
        if created.server:
            created.server.stop(signal.SIGKILL)


def client_of(server: Server) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=server.url, headers={"Authorization": f"APIKey {KEY}"}, timeout=20)


async def wait_until_finished(client: httpx.AsyncClient, answer: httpx.Response) -> dict[str, Any]:
    """Wait until the task of an answer has finished, and return it."""
    assert answer.status_code == 200, answer.text
    (task_id,) = answer.json()["tasks"]
    while (task := (await client.get(f"/cloud/v1/tasks/{task_id}")).json())["state"] not in ENDED:  # noqa: ASYNC110  # the API does not notify
        await asyncio.sleep(0.01)
    assert task["state"] == "FINISHED", task["error"]
    return dict(task)


async def an_instance(client: httpx.AsyncClient, name: str) -> str:
    task = await wait_until_finished(client, await client.post("/cloud/v2/instances/1/1", json=an_order(name=name)))
    return str(task["created_resources"]["instances"][0])


async def patch_repeatedly(client: httpx.AsyncClient, ledger: Ledger, instance_id: str, key: str) -> None:
    """Increment a counter in a tag."""
    while True:
        value = ledger.counters.get(key, 0) + 1
        answer = await client.patch(f"{INSTANCES}/{instance_id}", json={"tags": {key: str(value)}})
        assert answer.status_code == 200, answer.text
        ledger.counters[key] = value
        ledger.count_acknowledged()


async def create_instances(client: httpx.AsyncClient, ledger: Ledger) -> None:
    """Create instances, and delete every second one."""
    while True:
        volumes = [boot(delete_on_termination=True)]
        answer = await client.post("/cloud/v2/instances/1/1", json=an_order(name="stormy", volumes=volumes))
        assert answer.status_code == 200, answer.text
        ledger.instance_tasks += answer.json()["tasks"]
        ledger.count_acknowledged()
        if len(ledger.instance_tasks) % 2:
            task = await wait_until_finished(client, answer)
            (instance_id,) = task["created_resources"]["instances"]
            answer = await client.delete(f"{INSTANCES}/{instance_id}")
            assert answer.status_code == 200, answer.text
            ledger.deleted_instances[instance_id] = answer.json()["tasks"][0]


async def create_resources(client: httpx.AsyncClient, ledger: Ledger, noun: str) -> None:
    """Create resources of a kind, and delete every second one."""
    body, kind = RESOURCES[noun]
    while True:
        answer = await client.post(f"/cloud/v1/{noun}/1/1", json=body)
        assert answer.status_code == 200, answer.text
        ledger.resource_tasks += [(noun, task_id) for task_id in answer.json()["tasks"]]
        ledger.count_acknowledged()
        if len(ledger.resource_tasks) % 2:
            (resource_id,) = (await wait_until_finished(client, answer))["created_resources"][kind]
            answer = await client.delete(f"/cloud/v1/{noun}/1/1/{resource_id}")
            assert answer.status_code == 200, answer.text
            ledger.deleted_resources.add((noun, str(resource_id)))


async def run_until_killed(server: Server, ledger: Ledger, counting: str) -> None:
    """Send many concurrent changes until enough are acknowledged, then kill the server."""
    ledger.enough.clear()
    ledger.required = random.randrange(100, 300)  # noqa: S311  # no secret
    async with client_of(server) as client, asyncio.TaskGroup() as group:
        writers = [patch_repeatedly(client, ledger, counting, key) for key in KEYS]
        writers += [create_instances(client, ledger) for _ in range(CREATORS)]
        writers += [create_resources(client, ledger, noun) for noun in RESOURCES]
        running = [group.create_task(_run_until_disconnected(writer)) for writer in writers]
        waiting = asyncio.create_task(ledger.enough.wait())
        await asyncio.wait({waiting, *running}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        server.stop(signal.SIGKILL)


async def _run_until_disconnected(writer: Any) -> None:
    with suppress(httpx.TransportError):
        await writer


async def wait_for_tasks(installation: Installation, unfinished: int) -> None:
    """Wait until at most this number of tasks is unfinished."""
    async with asyncio.timeout(20):
        while installation.rows(UNFINISHED_TASKS)[0][0] > unfinished:  # noqa: ASYNC110  # the database does not notify
            await asyncio.sleep(0.02)


def check_locks(installation: Installation) -> None:
    """Check that every lock belongs to an unfinished task."""
    for table in LOCKABLE:
        orphans = installation.rows(
            f"SELECT id, task_id FROM {table} WHERE task_id IS NOT NULL"
            " AND task_id NOT IN (SELECT id FROM tasks WHERE state IN ('NEW', 'RUNNING'))"
        )
        assert orphans == [], table


def check_addresses(installation: Installation) -> None:
    """Check that each port and floating IP has its own address, and each address belongs to one of them."""
    addresses = installation.rows(
        "SELECT a.ip, coalesce(a.port_id, a.floating_ip_id) FROM addresses a JOIN subnets s ON s.id = a.subnet_id"
        " WHERE s.ip_version = 4"
    )
    owners = installation.rows("SELECT id FROM ports UNION ALL SELECT id FROM floating_ips")
    interfaces = installation.rows("SELECT p.id FROM ports p JOIN instances i ON i.id = p.instance_id")
    instances = installation.rows("SELECT id FROM instances")

    assert len({ip for ip, _ in addresses}) == len(addresses)
    assert sorted(owner for _, owner in addresses) == sorted(owner for (owner,) in owners)
    assert len(interfaces) == len(instances)
    assert installation.rows("SELECT id FROM ports WHERE instance_id IS NULL AND reserved = 0") == []


def check_driver(installation: Installation) -> None:
    """Check that the simulated driver has exactly the machines, volumes and networks that have records."""
    for table, driver_table in DRIVER_TABLES.items():
        recorded = installation.rows(f"SELECT id FROM {table} WHERE project_id IS NOT NULL")
        existing = installation.rows(f"SELECT id FROM {driver_table}")
        assert sorted(map(tuple, existing)) == sorted(map(tuple, recorded)), table


async def check_ledger(client: httpx.AsyncClient, ledger: Ledger, counting: str) -> None:
    """Check that acknowledged changes were saved. One more may have been saved although its answer was lost."""
    tags = {tag["key"]: tag["value"] for tag in (await client.get(f"{INSTANCES}/{counting}")).json()["tags"]}
    for key, value in ledger.counters.items():
        assert int(tags[key]) in (value, value + 1)
        ledger.counters[key] = int(tags[key])
    for task_id in ledger.instance_tasks:
        task = (await client.get(f"/cloud/v1/tasks/{task_id}")).json()
        assert task["state"] == "FINISHED", task["error"]
        (instance_id,) = task["created_resources"]["instances"]
        answer = await client.get(f"{INSTANCES}/{instance_id}")
        if answer.status_code == 200:
            assert (answer.json()["status"], instance_id in ledger.deleted_instances) == ("ACTIVE", False)
    for noun, task_id in ledger.resource_tasks:
        task = (await client.get(f"/cloud/v1/tasks/{task_id}")).json()
        assert task["state"] == "FINISHED", task["error"]
        (resource_id,) = task["created_resources"][RESOURCES[noun][1]]
        answer = await client.get(f"/cloud/v1/{noun}/1/1/{resource_id}")
        assert (answer.status_code == 404) or (noun, resource_id) not in ledger.deleted_resources
    for noun, resource_id in ledger.deleted_resources:
        assert (await client.get(f"/cloud/v1/{noun}/1/1/{resource_id}")).status_code == 404
    for instance_id in ledger.deleted_instances:
        assert (await client.get(f"{INSTANCES}/{instance_id}")).status_code == 404


async def test_acknowledged_changes_survive_a_killed_server(installation: Installation) -> None:
    ledger, server = Ledger(), installation.start()
    async with client_of(server) as client:
        counting, stopping_id = await an_instance(client, "counting"), await an_instance(client, "held")
        await client.post("/_pileus/faults", json={"kind": "hold", "task_type": "stop_vm"})
        stopping = await client.post(f"/cloud/v2/instances/1/1/{stopping_id}/action", json={"action": "stop"})

    for _ in range(ROUNDS):
        await run_until_killed(server, ledger, counting)
        server = installation.start()
        check_locks(installation)
        await wait_for_tasks(installation, unfinished=1)
        check_locks(installation)
        check_addresses(installation)
        check_driver(installation)
        async with client_of(server) as client:
            await check_ledger(client, ledger, counting)

    async with client_of(server) as client:
        await client.delete("/_pileus/faults")
        await wait_until_finished(client, stopping)
        stopped = (await client.get(f"{INSTANCES}/{stopping_id}")).json()
    assert server.stop() == 0
    assert (stopped["status"], stopped["task_id"]) == ("SHUTOFF", None)
    assert installation.rows(UNFINISHED_TASKS)[0][0] == 0
