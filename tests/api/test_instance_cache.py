"""Answers from memory: they are what the database says, for whoever may see them, however it has changed."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from msgspec import structs
from prometheus_client import CollectorRegistry

from pileus.api.application import create_app
from pileus.api.middleware import ServerMetrics
from pileus.app import RunningCloud, run_cloud
from pileus.domain.account.access import Role
from pileus.settings import Settings
from pileus.store.compute import instances
from pileus.store.compute.instance_cache import InstanceCache
from pileus.store.database import Database, T, Tx, Work
from pileus.store.network import networks, ports
from tests.app_settings import checked_settings
from tests.builders import BARE_METAL, a_network, a_port, an_instance
from tests.recorded_transactions import RecordedTx
from tests.tenants import Tenant, client_of, new_tenant


@dataclass(slots=True)
class RecordedDatabase:
    """A database that records its statements and their parameters."""

    db: Database
    statements: list[str] = field(default_factory=list)
    parameters: list[dict[str, Any]] = field(default_factory=list)

    def read(self) -> AbstractAsyncContextManager[Tx]:
        """Look up and record."""
        return self._record(self.db.read())

    def scan(self) -> AbstractAsyncContextManager[Tx]:
        """Scan and record."""
        return self._record(self.db.scan())

    async def write(self, work: Work[T]) -> T:
        """Write and record."""
        return await self.db.write(lambda tx: work(RecordedTx(tx, self.statements, self.parameters)))

    @asynccontextmanager
    async def _record(self, opened: AbstractAsyncContextManager[Tx]) -> AsyncIterator[Tx]:
        async with opened as tx:
            yield RecordedTx(tx, self.statements, self.parameters)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.db, name)


@dataclass(slots=True)
class Process:
    """Another process of the cloud: its memory is its own, and is not checked."""

    tenant: Tenant
    cloud: RunningCloud
    api: httpx.AsyncClient
    statements: list[str]
    parameters: list[dict[str, Any]]

    async def get(self, *path: str) -> dict[str, Any]:
        """Return the answer of a path below the tenant's place."""
        answer = await self.api.get(self.tenant.path(*path))
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def get_with_statements(self, *path: str) -> tuple[dict[str, Any], list[str]]:
        """Return the answer and the statements on instances."""
        self.statements.clear()
        return await self.get(*path), self.statements_on_instances()

    def statements_on_instances(self) -> list[str]:
        """Return the statements that name the table of instances or that of tags."""
        return [text for text in self.statements if " instances" in text or " tags " in text]


def process_of(tenant: Tenant, **changes: Any) -> Process:
    """Start another process of the tenant's cloud."""
    db = RecordedDatabase(tenant.running.app_state.db)
    changes = {"db": cast("Database", db), "instance_cache": InstanceCache(1 << 20), **changes}
    state = replace(tenant.running.app_state, **changes)
    cloud = replace(tenant.running, app=create_app(Settings(), state, ServerMetrics(CollectorRegistry())))
    return Process(tenant, cloud, client_of(cloud, tenant.tokens[Role.ADMINISTRATORS]), db.statements, db.parameters)


async def test_a_second_request_reads_the_stamp_only(tenant: Tenant) -> None:
    instance, process = await an_instance(tenant), process_of(tenant)

    first, first_statements = await process.get_with_statements("instances", instance.id)
    second, second_statements = await process.get_with_statements("instances", instance.id)

    assert first == second
    assert len(first_statements) == 1
    assert second_statements == [instances.GET_STAMP]


async def test_a_list_reads_only_instances_that_have_changed(tenant: Tenant) -> None:
    known, changed, process = await an_instance(tenant), await an_instance(tenant), process_of(tenant)

    first, first_statements = await process.get_with_statements("instances")
    second, second_statements = await process.get_with_statements("instances")
    await tenant.api.patch(tenant.path("instances", changed.id), json={"name": "renamed"})
    third, third_statements = await process.get_with_statements("instances")

    assert first == second
    assert [len(first_statements), len(second_statements), len(third_statements)] == [2, 1, 2]
    assert process.parameters[-1] == {"ids": f'["{changed.id}"]'}
    assert [view["name"] for view in third["results"]] == ["renamed", known.name]
    assert (await process.get("instances", changed.id))["name"] == "renamed"


async def test_an_update_of_a_known_instance_does_not_read_it(tenant: Tenant) -> None:
    instance, process = await an_instance(tenant, labels={"env": "test"}), process_of(tenant)
    await process.get("instances", instance.id)

    process.statements.clear()
    answer = await process.api.patch(tenant.path("instances", instance.id), json={"tags": {"env": "prod"}})
    reads = [text for text in process.statements_on_instances() if text.startswith("SELECT")]
    after, statements = await process.get_with_statements("instances", instance.id)

    assert [text.partition(" /*")[0] for text in reads] == [instances.GET_STAMP]
    assert answer.json() == after == (await tenant.api.get(tenant.path("instances", instance.id))).json()
    assert statements == [instances.GET_STAMP]


async def test_two_processes_see_the_changes_of_each_other(tenant: Tenant) -> None:
    instance, first, second = await an_instance(tenant), process_of(tenant), process_of(tenant)
    path = tenant.path("instances", instance.id)

    for number, (writer, reader) in enumerate([(first, second), (second, first), (first, second)]):
        answer = await writer.api.patch(path, json={"name": f"name-{number}", "tags": {f"k{number}": "v"}})

        assert await reader.get("instances", instance.id) == answer.json()
        assert (await reader.get("instances"))["results"][0]["name"] == f"name-{number}"
    assert {"k0", "k1", "k2"} <= {tag["key"] for tag in (await second.get("instances", instance.id))["tags"]}


async def test_a_kept_answer_is_for_its_tenant_and_its_routes_only(tenant: Tenant, stranger: Tenant) -> None:
    process, instance, server = (
        process_of(tenant),
        await an_instance(tenant),
        await an_instance(tenant, flavor_id=BARE_METAL),
    )
    foreign = client_of(process.cloud, stranger.tokens[Role.ADMINISTRATORS])
    for noun, identity in (("instances", instance.id), ("instances", server.id), ("bminstances", server.id)):
        await process.get(noun, identity)

    answers = [
        await foreign.get(tenant.path("instances", instance.id)),
        await foreign.get(stranger.path("instances", instance.id)),
        await process.api.get(tenant.path("bminstances", instance.id)),
        await process.api.patch(tenant.path("bminstances", instance.id), json={"name": "other"}),
        await process.api.get(tenant.path("instances", instance.id).replace("/1/", "/2/")),
    ]

    assert [answer.status_code for answer in answers] == [404] * 5
    assert (await process.get("instances", instance.id))["name"] == instance.name
    assert "metadata" in await process.get("bminstances", server.id)


async def test_a_change_that_is_rolled_back_is_not_kept(tenant: Tenant) -> None:
    """All audit entries get the same id, so every second insert fails."""
    instance = await an_instance(tenant)
    process = process_of(tenant, new_ordered_id=lambda: instance.id)
    path = tenant.path("instances", instance.id)
    accepted = await process.api.patch(path, json={"name": "first"})

    refused = await process.api.patch(path, json={"name": "second", "tags": {"a": "b"}})

    assert (accepted.status_code, refused.status_code) == (200, 409)
    assert await process.get("instances", instance.id) == accepted.json()


async def test_an_instance_that_is_made_again_with_its_id_is_shown_anew(tenant: Tenant) -> None:
    instance, process, db = await an_instance(tenant, kind="gpu"), process_of(tenant), tenant.running.app_state.db
    before = await process.get("instances", instance.id)

    async def make_again(tx: Tx) -> None:
        for port in await ports.list_by_instance(tx, instance.id):
            await ports.remove(tx, port.id)
        await instances.remove(tx, instance.id)
        await instances.add(tx, structs.replace(instance, name="again"))

    await db.write(make_again)

    assert (before["name"], (await process.get("instances", instance.id))["name"]) == (instance.name, "again")


async def test_a_network_is_renamed_in_the_answers_of_its_instances(tenant: Tenant) -> None:
    process, instance, (network, (subnet, *_)) = process_of(tenant), await an_instance(tenant), await a_network(tenant)
    await a_port(tenant, subnet, instance)
    before = await process.get("instances", instance.id)

    await tenant.running.app_state.db.write(
        lambda tx: networks.save(tx, network, structs.replace(network, name="renamed"))
    )

    assert network.name in before["addresses"]
    assert "renamed" in (await process.get("instances", instance.id))["addresses"]


async def test_a_database_that_is_restored_under_a_running_server_is_shown(tmp_path: Path) -> None:
    settings = checked_settings(data=tmp_path / "data")
    async with run_cloud(settings) as cloud, new_tenant(cloud) as tenant:
        process, instance = process_of(tenant), await an_instance(tenant)
        path = tenant.path("instances", instance.id)
        await process.api.patch(path, json={"name": "saved"})
        await _copy(tmp_path / "data" / "pileus.db", tmp_path / "backup.db")
        await process.api.patch(path, json={"name": "lost"})
        await process.get("instances", instance.id)

        await _copy(tmp_path / "backup.db", tmp_path / "data" / "pileus.db")
        restored = await process.get("instances", instance.id)
        await tenant.api.patch(path, json={"name": "new"})

        assert restored["name"] == "saved"
        assert (await process.get("instances", instance.id))["name"] == "new"
        assert (await process.get("instances"))["results"][0]["name"] == "new"


async def _copy(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as read, closing(sqlite3.connect(target)) as written:
        read.backup(written)


@pytest.mark.parametrize("bound", [0, 1])
async def test_without_memory_the_answers_are_the_same(tenant: Tenant, bound: int) -> None:
    instance, process = await an_instance(tenant), process_of(tenant, instance_cache=InstanceCache(bound))
    path = tenant.path("instances", instance.id)

    changed = (await process.api.patch(path, json={"name": "renamed"})).json()

    assert changed == await process.get("instances", instance.id) == (await tenant.api.get(path)).json()
    assert (await process.get("instances"))["count"] == 1
