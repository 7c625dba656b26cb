"""No statement of a request, of a task or of a background job visits more rows when there are more resources.

The test compares the steps of SQLite's virtual machine for each statement, in a small and in a large cloud.
"""

import asyncio
import json
import re
import sqlite3
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from bench.population import instance_id, order_body, populate, volume_id
from bench.servers import KEY
from msgspec.structs import replace

from pileus.app import run_cloud
from pileus.domain.account.projects import Project
from pileus.domain.account.subscriptions import Subscription, WebhookTarget
from pileus.domain.account.user_actions import UserAction
from pileus.domain.network.networks import Network
from pileus.domain.network.security_rules import SecurityGroupRule
from pileus.domain.tasks import Task
from pileus.settings import Settings
from pileus.store import sqlite, tasks
from pileus.store.account import clients, projects, quotas, subscriptions, user_actions
from pileus.store.database import Tx
from pileus.store.network import networks, security_groups
from pileus.store.schema import open_database
from pileus.store.sqlite_transactions import connect
from tests.certificates import A_CERTIFICATE
from tests.counted_tables import TABLES
from tests.tenants import client_of

FEW, MANY = 20, 400
OTHER = 1000
"""The id of the other client, and of its project."""
STEPS = 5
"""Steps between two calls of the counting function."""
TOLERANCE = 150
"""Further steps that a statement may take: a deeper index, and other resources in the answer."""
LITERAL = re.compile(r"'(?:[^']|'')*'|\b\d+(?:\.\d+)?\b|\?(?:, \?)+")
BOUNDED = {
    "SELECT task_type, state, count(*)": "figures of unfinished tasks, read once a second in a thread",
    "SELECT slot_class, count(*)": "likewise",
    "FROM simulated_machines WHERE id > ?": "the reconciler reads all machines slowly, page by page",
    "SELECT id, status, vm_state, revision FROM instances WHERE id IN (?)": "likewise, the instances of a page",
    "AND client_id = (SELECT client_id FROM projects": "the unfinished tasks of a tenant, when it deletes a project",
    "SELECT s.id FROM subnets s JOIN networks n": "the subnets of a project, of which a quota allows few",
}
"""Parts of statements that may grow, with the reason."""
LISTS = (
    "instances", "volumes", "snapshots", "networks", "routers", "floatingips", "securitygroups",
    "servergroups", "secrets", "file_shares", "ddos/profiles", "lifecycle_policy", "reserved_fixed_ips",
)  # fmt: skip
ITEM_LISTS = (*LISTS, "subnets", "availablenetworks", "images", "projectimages", "availablefloatingips", "bminstances")


@dataclass(slots=True)
class StepCounter:
    """Counts the steps of each statement of all connections; keeps the most of one execution."""

    steps: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    statements: int = 0
    open: Callable[[Path], sqlite3.Connection] = connect

    def connect(self, path: Path) -> sqlite3.Connection:
        """Open a connection whose statements are counted."""
        connection = self.open(path)
        statement, steps = "", 0

        def begin(sql: str) -> None:
            nonlocal statement, steps
            self.statements += sql.startswith("SELECT")
            statement, steps = LITERAL.sub("?", LITERAL.sub("?", sql)), 0

        def count() -> int:
            nonlocal steps
            steps += STEPS
            self.steps[statement] = max(self.steps[statement], steps)
            return 0

        connection.set_trace_callback(begin)
        connection.set_progress_handler(count, STEPS)
        return connection


@dataclass(slots=True)
class Client:
    """Sends requests in project 1 and waits for their tasks."""

    api: httpx.AsyncClient

    async def send(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """Send a request and return the answer, or the task that it has started, when that has finished."""
        answer = await self.api.request(method, path, json=body, params=query)
        assert answer.is_success, answer.text
        content = answer.json() if answer.content else {}
        for task_id in content.get("tasks", ()) if isinstance(content, dict) else ():
            content = await self.wait(task_id)
        return content

    async def wait(self, task_id: str) -> dict[str, Any]:
        """Wait for a task. Raises AssertionError if it fails."""
        while True:
            task = (await self.api.get(f"/cloud/v1/tasks/{task_id}")).json()
            if task["state"] in {"FINISHED", "ERROR"}:
                assert task["state"] == "FINISHED", task
                return dict(task)
            await asyncio.sleep(0)

    async def create(self, noun: str, body: Any, version: int = 1) -> str:
        """Create a resource and return its id."""
        task = await self.send("POST", f"/cloud/v{version}/{noun}/1/1", body)
        (resource_id,) = task["created_resources"][noun]
        return str(resource_id)


async def change_everything(client: Client) -> None:
    """Create, change and delete an instance and other resources."""
    network_id = await client.create("networks", {"name": "inside", "create_router": False})
    subnet_id = await client.create("subnets", {"name": "sss", "network_id": network_id, "cidr": "10.9.0.0/24"})
    router_id = await client.create(
        "routers", {"name": "rrr", "interfaces": [{"type": "subnet", "subnet_id": subnet_id}]}
    )
    await change_instances(client, network_id)
    await change_file_shares(client, network_id)
    await client.send("DELETE", f"/cloud/v1/routers/1/1/{router_id}")
    await client.send("DELETE", f"/cloud/v1/subnets/1/1/{subnet_id}")
    await client.send("DELETE", f"/cloud/v1/networks/1/1/{network_id}")


async def delete_a_project(client: Client) -> None:
    """Create a project with a network and delete it."""
    project = await client.send("POST", "/cloud/v1/projects", {"name": "short"})
    path = f"/cloud/v1/networks/{project['id']}/1"
    await client.send("POST", path, {"name": "inside", "create_router": True, "tags": {"a": "b"}})
    await client.send("DELETE", f"/cloud/v1/projects/{project['id']}")


async def change_instances(client: Client, network_id: str) -> None:
    instances = "/cloud/v1/instances/1/1"
    created = await client.send("POST", "/cloud/v2/instances/1/1", json.loads(order_body()))
    (server_id,) = created["created_resources"]["instances"]
    instance = f"{instances}/{server_id}"
    await client.send("PATCH", instance, {"name": "renamed", "tags": {"a": "b"}})
    await client.send("POST", f"/cloud/v2/instances/1/1/{server_id}/action", {"action": "stop"})
    await change_images(client, server_id)
    await client.send("POST", f"{instance}/changeflavor", {"flavor_id": "g1-standard-2-4"})
    await client.send("POST", f"{instance}/attach_interface", {"type": "any_subnet", "network_id": network_id})
    new_volume = await client.create("volumes", {"name": "vvv", "size": 10, "source": "new-volume"})
    await client.send("POST", f"/cloud/v2/volumes/1/1/{new_volume}/attach", {"instance_id": server_id})
    await client.send("POST", f"/cloud/v1/volumes/1/1/{new_volume}/extend", {"size": 20})
    snapshot_id = await client.create("snapshots", {"name": "sss", "volume_id": new_volume})
    await client.send("DELETE", f"/cloud/v1/snapshots/1/1/{snapshot_id}")
    await client.send("POST", f"/cloud/v2/volumes/1/1/{new_volume}/detach", {"instance_id": server_id})
    await client.send("DELETE", f"/cloud/v1/volumes/1/1/{new_volume}")
    await change_addresses(client, server_id)
    await client.send("DELETE", instance)
    await client.send("DELETE", f"{instances}/{instance_id(3)}", volumes=volume_id(3))


async def change_file_shares(client: Client, network_id: str) -> None:
    order = {"name": "sss", "protocol": "NFS", "size": 1, "network": {"network_id": network_id}, "tags": {"a": "b"}}
    share = f"/cloud/v1/file_shares/1/1/{await client.create('file_shares', order)}"
    rule = await client.send("POST", f"{share}/access_rule", {"ip_address": "10.9.0.9", "access_mode": "ro"})
    await client.send("DELETE", f"{share}/access_rule/{rule['id']}")
    await client.send("POST", f"{share}/extend", {"size": 2})
    await client.send("PATCH", share, {"name": "renamed"})
    await client.send("DELETE", share)
    secret_id = await client.create("secrets", A_CERTIFICATE, version=2)
    await client.send("DELETE", f"/cloud/v1/secrets/1/1/{secret_id}")


async def change_images(client: Client, server_id: str) -> None:
    view = await client.send("GET", f"/cloud/v1/instances/1/1/{server_id}")
    source = {"name": "saved", "source": "volume", "volume_id": view["volumes"][0]["id"]}
    image_id = await client.create("images", source)
    await client.send("PATCH", f"/cloud/v1/images/1/1/{image_id}", {"name": "renamed"})
    await client.send("DELETE", f"/cloud/v1/images/1/1/{image_id}")


async def change_addresses(client: Client, server_id: str) -> None:
    floating_id = await client.create("floatingips", {})
    await client.send("PATCH", f"/cloud/v1/floatingips/1/1/{floating_id}", {"tags": {"a": "b"}})
    await client.send("DELETE", f"/cloud/v1/floatingips/1/1/{floating_id}")
    fixed = await client.send("POST", "/cloud/v1/reserved_fixed_ips/1/1", {"type": "external"})
    (port_id,) = fixed["created_resources"]["ports"]
    await client.send("DELETE", f"/cloud/v1/reserved_fixed_ips/1/1/{port_id}")
    group = await client.send("POST", "/cloud/v1/securitygroups/1/1", {"security_group": {"name": "ggg"}})
    rule = {"direction": "ingress", "ethertype": "IPv4", "protocol": "tcp", "port_range_min": 1, "port_range_max": 9}
    await client.send("POST", f"/cloud/v1/securitygroups/1/1/{group['id']}/rules", rule)
    await client.send("POST", f"/cloud/v1/instances/1/1/{server_id}/addsecuritygroup", {"name": "ggg"})
    await client.send("POST", f"/cloud/v1/instances/1/1/{server_id}/delsecuritygroup", {"name": "ggg"})
    await client.send("DELETE", f"/cloud/v1/securitygroups/1/1/{group['id']}")
    profile = {"ip_address": await find_address(client, server_id), "profile_template": 1}
    await client.send("POST", "/cloud/v1/ddos/profiles/1/1", profile)
    key = await client.send("POST", "/cloud/v1/ssh_keys/1", {"name": "key"})
    await client.send("DELETE", f"/cloud/v1/ssh_keys/1/{key['id']}")
    placement = await client.send("POST", "/cloud/v1/servergroups/1/1", {"name": "ppp", "policy": "anti-affinity"})
    await client.send("DELETE", f"/cloud/v1/servergroups/1/1/{placement['servergroup_id']}")


async def find_address(client: Client, server_id: str) -> str:
    """Return the public address of an instance."""
    view = await client.send("GET", f"/cloud/v1/instances/1/1/{server_id}")
    return str(next(address["addr"] for addresses in view["addresses"].values() for address in addresses))


async def list_first_pages(client: Client) -> None:
    """List the first page of each kind of resources, and read the figures of the server."""
    for noun in LISTS:
        await client.send("GET", f"/cloud/v1/{noun}/1/1", limit=10)
    await client.send("GET", "/cloud/v1/instances/1/1", include_baremetal=True, include_ai=True, limit=10)
    await client.send("GET", "/readyz")


async def fill_cloud(folder: Path, count: int) -> None:
    """Create a cloud with `count` resources of each kind, and stop it."""
    await asyncio.to_thread(populate, folder, count)
    db = await open_database("", folder)
    # The program collects no statistics, and those of copies of one instance mislead the planner.
    await db.write(lambda tx: tx.run("DELETE FROM sqlite_stat1"))
    await db.write(partial(add_records, count))
    await db.close()


@asynccontextmanager
async def count_statements(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Client, StepCounter]]:
    """Run the cloud again; yields a client and a counter of its statements."""
    counter = StepCounter()
    with monkeypatch.context() as patches:
        patches.setattr(sqlite, "connect", counter.connect)
        async with run_cloud(Settings(data=folder, log_level="error")) as cloud, client_of(cloud, KEY) as api:
            # Filled records are not valid answers.
            api.event_hooks = {}
            counter.steps.clear()
            yield Client(api), counter


async def measure(folder: Path, count: int, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Return the steps of each statement of the requests in a cloud with `count` resources of each kind."""
    await fill_cloud(folder, count)
    async with count_statements(folder, monkeypatch) as (client, counter):
        await change_everything(client)
        await delete_a_project(client)
        await list_first_pages(client)
    return counter.steps


async def add_records(count: int, tx: Tx) -> None:
    """Add resources, tasks, audit log entries and usage of the client and of another one."""
    await clients.add(tx, OTHER, "other", 0)
    await projects.add(tx, Project(id=OTHER, client_id=OTHER, name="default", created_at=0))
    await networks.add(tx, Network(id="n", name="n", region_id=1, created_at=0, updated_at=0))
    await quotas.set_limits(tx, 1, 1, {"image_size": 2**60})
    await subscriptions.TABLE.add_all(tx, [a_subscription(number) for number in range(count)])
    for client_id in (1, OTHER):
        names = [f"{client_id}-{number}" for number in range(count)]
        for mapper, make, _ in TABLES.values():
            await mapper.add_all(tx, [make(client_id, name) for name in names])
        await tasks.TABLE.add_all(tx, [an_ended_task(client_id, name) for name in names])
        await security_groups.RULES.add_all(tx, [rule for name in names for rule in rules_of(name)])
        await user_actions.TABLE.add_all(tx, [an_action(client_id, name) for name in names])


def an_ended_task(client_id: int, name: str) -> Task:
    _, make, changes = TABLES["tasks"]
    task: Task = replace(make(client_id, f"{name}-ended"), **changes, lease_until=0)
    return task


def a_subscription(number: int) -> Subscription:
    """Return a subscription of the other client, which has no deliveries."""
    target = WebhookTarget(url="https://example.com/", auth_header_name="X-Key", auth_header_value="key")
    return Subscription(id=number + 1, client_id=OTHER, kind="webhook", target=target, created_at=0)


def rules_of(group_id: str) -> list[SecurityGroupRule]:
    """Return two rules of a group; one refers to another group."""
    rule = SecurityGroupRule(
        id=f"{group_id}-1", security_group_id=group_id, direction="ingress", created_at=0, updated_at=0
    )
    return [rule, replace(rule, id=f"{group_id}-2", remote_group_id=f"{group_id.partition('-')[0]}-0")]


def an_action(client_id: int, name: str) -> UserAction:
    return UserAction(
        id=name,
        client_id=client_id,
        user_id=1,
        email=None,
        token_id=None,
        project_id=client_id,
        region_id=1,
        api_group="instance",
        action_type="create",
        action_data=None,
        resources=[],
        task_id=None,
        source_user_ip=None,
        user_agent=None,
        created_at=0,
    )


async def test_no_statement_visits_more_rows_in_a_larger_cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few, many = [await measure(tmp_path / str(count), count, monkeypatch) for count in (FEW, MANY)]

    growing = {
        statement: (few[statement], steps)
        for statement, steps in many.items()
        if steps > few[statement] + TOLERANCE and not any(text in statement for text in BOUNDED)
    }
    assert not growing, "\n".join(f"{statement}: {steps}" for statement, steps in growing.items())


async def test_a_list_takes_as_many_statements_for_ten_items_as_for_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill_cloud(tmp_path, FEW)
    paths = [*(f"/cloud/v1/{noun}/1/1" for noun in ITEM_LISTS), "/cloud/v1/tasks", "/cloud/v1/user_actions"]
    differences: dict[str, tuple[int, int]] = {}
    async with count_statements(tmp_path, monkeypatch) as (client, counter):
        for path in paths:
            few, many = [await count_least_statements(client, counter, path, limit) for limit in (2, 10)]
            if few != many:
                differences[path] = few, many

    assert differences == {}


async def count_least_statements(client: Client, counter: StepCounter, path: str, limit: int) -> int:
    """Return the least number of statements of a list in five requests: background jobs add theirs to some."""
    numbers = []
    for _ in range(5):
        before = counter.statements
        await client.send("GET", path, limit=limit)
        numbers.append(counter.statements - before)
    return min(numbers)
