"""Three servers over one PostgreSQL database, whose region is in OpenStack, and the clients that load them."""

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import httpx
import psycopg

from tests.chaos.installations import PLACE, UNFINISHED_TASKS
from tests.chaos.ledgers import Creation, Ledger
from tests.chaos.writers import ENDED, change_value, finish
from tests.openstack.engine import Engine
from tests.openstack.failures.orders import BLANK, Stage
from tests.openstack.installations import SMALL
from tests.primaries import Primary
from tests.servers import KEY, Server, spawn_server, wait_until_ready

SERVERS = 3
LEASE_SECONDS = "5"
"""Short, so that the tasks of a killed server go on soon; not too short for a loaded machine."""
END_SECONDS = 900.0
"""Seconds in which all tasks end."""
LIST_ROWS = 1000


class Cluster:
    """The servers, what each of them has acknowledged, and how they are started again."""

    def __init__(self, home: Path, engine: Engine, catalogue: Path, primary: Primary) -> None:
        self.primary = primary
        self._home, self._catalogue = home, catalogue
        self._variables = engine.variables | {"PILEUS_OPENSTACK_POLL_INTERVAL": "0.5"}
        self.servers: list[Server | None] = [None] * SERVERS
        self.ledgers = [Ledger() for _ in range(SERVERS)]

    def start(self) -> None:
        """Start the servers that do not run, the first one before the others: it creates the schema."""
        for number, server in enumerate(self.servers):
            if server is None:
                self.servers[number] = started = self._spawn(number)
                wait_until_ready(started)

    def kill(self, number: int) -> None:
        """Kill a server."""
        server, self.servers[number] = self.servers[number], None
        if server is not None:
            server.kill()

    def kill_all(self) -> None:
        """Kill all servers."""
        for number in range(SERVERS):
            self.kill(number)

    def client_of(self, number: int) -> httpx.AsyncClient:
        """Return a client of a server, for which an answer that the database is away is a lost connection."""
        server = self.servers[number]
        assert server is not None
        client = httpx.AsyncClient(base_url=server.url, headers={"Authorization": f"APIKey {KEY}"}, timeout=120)
        client.event_hooks["response"] = [_raise_if_unavailable]
        return client

    async def wait_for_tasks(self) -> None:
        """Wait until all tasks have ended. Raises TimeoutError."""
        async with asyncio.timeout(END_SECONDS):
            while self.rows(UNFINISHED_TASKS)[0][0]:  # noqa: ASYNC110  # the database does not notify
                await asyncio.sleep(0.5)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Query the database directly."""
        with psycopg.connect(self.primary.url, autocommit=True) as connection:
            return connection.execute(sql.encode()).fetchall()

    def _spawn(self, number: int) -> Server:
        options = (
            *("--driver", "openstack", "--catalogue", str(self._catalogue), "--log-level", "info"),
            *("--database", self.primary.url, "--secrets-key", str(self._home / "keys")),
            *("--lease-seconds", LEASE_SECONDS),
        )
        return spawn_server(self._home / f"server-{number}", *options, variables=self._variables)


async def _raise_if_unavailable(answer: httpx.Response) -> None:
    if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        raise httpx.ReadError("the database is away", request=answer.request)


def machine_order(stage: Stage, name: str) -> dict[str, Any]:
    """Return the body that creates a machine without a system."""
    volume = {"source": "image", "image_id": BLANK, "size": 1, "boot_index": 0, "delete_on_termination": True}
    return {"name": name, "flavor": SMALL, "interfaces": [stage.interface], "volumes": [volume]}


async def create_and_delete_machines(client: httpx.AsyncClient, ledger: Ledger, stage: Stage) -> None:
    """Create machines one after the other, two at once, and delete one of each two."""
    creation = Creation("instances", f"/cloud/v1/instances/{PLACE}")
    while True:
        answers = [
            await client.post(f"/cloud/v2/instances/{PLACE}", json=machine_order(stage, name))
            for name in ("web", "app")
        ]
        for answer in answers:
            ledger.note_task(answer, creation)
        created = [(await finish(client, answer))["created_resources"]["instances"][0] for answer in answers]
        await ledger.delete(client, f"{creation.path}/{created[0]}")


async def create_and_delete_volumes(client: httpx.AsyncClient, ledger: Ledger) -> None:
    """Create volumes, and delete each second one."""
    creation = Creation("volumes", f"/cloud/v1/volumes/{PLACE}")
    body = {"name": "data", "source": "new-volume", "size": 1}
    while True:
        for is_deleted in (False, True):
            answer = await client.post(creation.path, json=body)
            ledger.note_task(answer, creation)
            (volume_id,) = (await finish(client, answer))["created_resources"]["volumes"]
            if is_deleted:
                await ledger.delete(client, f"{creation.path}/{volume_id}")


async def make_writers(client: httpx.AsyncClient, ledger: Ledger, stage: Stage) -> list[Awaitable[None]]:
    """Return the writers of one server: machines, volumes, and the name of a volume of its own."""
    order = {"name": "value-0", "source": "new-volume", "size": 1}
    task = await finish(client, await client.post(f"/cloud/v1/volumes/{PLACE}", json=order))
    path = f"/cloud/v1/volumes/{PLACE}/{task['created_resources']['volumes'][0]}"
    return [
        create_and_delete_machines(client, ledger, stage),
        create_and_delete_volumes(client, ledger),
        change_value(client, ledger, path, "name"),
    ]


async def delete_everything(client: httpx.AsyncClient) -> None:
    """Delete all instances and volumes."""
    for beginning in ("instances", "volumes"):
        listed = (await client.get(f"/cloud/v1/{beginning}/{PLACE}", params={"limit": LIST_ROWS})).json()["results"]
        answers = [await client.delete(f"/cloud/v1/{beginning}/{PLACE}/{item['id']}") for item in listed]
        for answer in answers:
            assert (await wait_for_end(client, answer))["state"] == "FINISHED"


async def wait_for_end(client: httpx.AsyncClient, answer: httpx.Response) -> dict[str, Any]:
    """Wait until the task of an answer has ended, and return it."""
    assert answer.is_success, answer.text
    (task_id,) = answer.json()["tasks"]
    while (task := (await client.get(f"/cloud/v1/tasks/{task_id}")).json())["state"] not in ENDED:  # noqa: ASYNC110  # the API does not notify
        await asyncio.sleep(0.2)
    return dict(task)
