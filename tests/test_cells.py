"""Cells: servers over several databases that share the tenants of a cloud."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from pileus.api.forwarded_requests import forward_request
from pileus.app import open_api_keys, run_cloud
from pileus.domain.errors import OutcomeUnknown, Unavailable
from pileus.domain.ids import parse_id_cell
from pileus.initial_data import NoCloud
from pileus.server.startup import StartError, explain_start_errors
from pileus.setting_fields import SettingError
from pileus.settings import Settings, load
from pileus.store.account import api_keys
from pileus.store.database import Database, Tx
from tests.app_settings import checked_settings
from tests.cell_servers import CellServer, run_cell
from tests.databases import BACKENDS, database_url
from tests.servers import free_port
from tests.watched_transactions import TouchedTables, watch_transactions

INSTANCES = "SELECT count(*) FROM instances"
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGVuZ2luZWVyaW5nLXRlc3Qta2V5LWZvci1jZWxscyEh test"


PART = b" " * 65536


@pytest.fixture(params=BACKENDS)
async def cells(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[CellServer, CellServer]]:
    """The servers of two cells, each with a database of its own."""
    with ExitStack() as databases:
        urls = [databases.enter_context(database_url(request.param)) for _ in range(2)]
        ports = [free_port(), free_port()]
        async with AsyncExitStack() as servers:
            yield (
                await servers.enter_async_context(run_cell(tmp_path, 0, ports, urls)),
                await servers.enter_async_context(run_cell(tmp_path, 1, ports, urls)),
            )


async def test_the_database_is_chosen_by_the_region_whichever_server_gets_the_request(
    cells: tuple[CellServer, CellServer],
) -> None:
    first, second = cells

    created = [await first.create(1, 2), await second.create(1, 1)]

    assert [parse_id_cell(instance_id) for instance_id in created] == [1, 0]
    assert [await cell.count(INSTANCES) for cell in cells] == [1, 1]
    for server in cells:
        for region_id, instance_id in zip((2, 1), created, strict=True):
            path = f"/cloud/v1/instances/1/{region_id}/{instance_id}"
            renamed = await server.api.patch(path, json={"name": "web"})
            assert (renamed.status_code, renamed.json()["name"]) == (200, "web")
            assert (await server.api.get(path)).json() == renamed.json() | {"task_state": renamed.json()["task_state"]}
        regions = (await server.api.get("/cloud/v1/regions")).json()["results"]
        assert {region["id"] for region in regions} == {1, 2}


async def test_lists_of_all_regions_are_put_together(cells: tuple[CellServer, CellServer]) -> None:
    first, second = cells
    for region_id in (1, 2, 1, 2):
        await second.create(1, region_id)

    for path in ("/cloud/v1/tasks", "/cloud/v1/user_actions"):
        whole = (await first.api.get(path, params={"limit": 50})).json()
        ids = [row["id"] for row in whole["results"]]
        pages = [
            (await second.api.get(path, params={"limit": 2, "offset": offset, "order_by": "asc"})).json()
            for offset in range(0, whole["count"], 2)
        ]
        assert ids == sorted(ids, reverse=True)
        assert {row["region_id"] for row in whole["results"]} >= {1, 2}
        assert [row["id"] for page in pages for row in page["results"]] == ids[::-1]
        assert {page["count"] for page in pages} == {len(ids)}
    too_deep = await first.api.get("/cloud/v1/tasks", params={"limit": 1000, "offset": 1})
    wrong = await first.api.get("/cloud/v1/tasks", params={"limit": "many"})
    assert (too_deep.status_code, wrong.status_code) == (400, 400)
    assert "at most 1000" in too_deep.json()["message"]

    assert (await first.api.post("/cloud/v1/tasks/acknowledge_all")).status_code == 204
    left = (await second.api.get("/cloud/v1/tasks", params={"is_acknowledged": "false"})).json()
    assert left["count"] == 0


async def test_changes_of_tenants_hold_in_all_cells_when_they_are_answered(
    cells: tuple[CellServer, CellServer],
) -> None:
    first, second = cells
    created = await second.api.post("/cloud/v1/projects", json={"name": "shop"})
    assert created.is_success, created.text
    project = created.json()
    key = {"name": "laptop", "public_key": PUBLIC_KEY}
    assert (await second.api.post(f"/cloud/v1/ssh_keys/{project['id']}", json=key)).status_code == 201
    webhook = {"url": "https://example.org/in", "auth_header_name": "X-Key", "auth_header_value": "hidden"}
    assert (await second.api.post("/cloud/v1/user_actions/subscribe", json=webhook)).is_success

    await second.create(project["id"], 2, ssh_key_name="laptop")
    assert (await second.count("SELECT count(*) FROM deliveries")) > 0
    assert [await cell.count("SELECT count(*) FROM users") for cell in cells] == [1, 0]

    limit = {"cpu_count_limit": 1}
    assert (await first.api.post("/cloud/v2/limits_request", json={
        "description": "less", "requested_limits": {"regional_limits": [{"region_id": 2, **limit}]},
    })).status_code == 201  # fmt: skip
    (asked,) = (await second.api.get("/cloud/v2/limits_request")).json()["results"]
    granted = await second.api.put(f"/_pileus/limit_requests/{asked['id']}", json={"status": "done"})
    assert granted.is_success, granted.text
    lowered = await second.api.put("/_pileus/quotas/2", json={"vm_count_limit": 1})
    assert lowered.is_success, lowered.text
    refused = await second.order(project["id"], 2)
    assert (refused.status_code, refused.json()["exception_class"]) == (400, "MultipleQuotaLimitExceeded")
    assert "vm_count" in refused.text
    assert "cpu_count" in refused.text


async def test_a_deprecated_key_is_that_of_all_regions(cells: tuple[CellServer, CellServer]) -> None:
    first, second = cells
    key = {"sshkey_name": "laptop", "public_key": PUBLIC_KEY}
    created = await second.api.post("/cloud/v1/keypairs/1/2", json=key)
    assert created.is_success, created.text

    await second.create(1, 2, ssh_key_name="laptop")
    assert [await cell.count("SELECT count(*) FROM ssh_keys") for cell in cells] == [1, 1]
    deleted = await second.api.delete(f"/cloud/v1/keypairs/1/2/{created.json()['sshkey_id']}")
    assert deleted.status_code == 204
    assert (await first.api.get("/cloud/v1/keypairs/1/1")).json()["count"] == 0
    assert (await second.order(1, 2, ssh_key_name="laptop")).status_code == 404


async def test_operators_act_for_tenants_that_no_cell_has_copied(cells: tuple[CellServer, CellServer]) -> None:
    first, second = cells
    tenant = await first.api.post("/_pileus/tenants", json={"name": "shop"})
    assert tenant.is_success, tenant.text
    assert await second.count("SELECT count(*) FROM clients") == 1

    listed = await second.api.get("/_pileus/faults", params={"client_id": tenant.json()["id"]})
    assert listed.status_code == 200, listed.text
    assert await second.count("SELECT count(*) FROM clients") == 2
    assert (await second.api.get("/_pileus/faults", params={"client_id": 99})).status_code == 404


async def test_a_cell_learns_that_a_tenant_is_suspended(cells: tuple[CellServer, CellServer]) -> None:
    first, second = cells
    tenant_id = (await first.api.post("/_pileus/tenants", json={"name": "shop"})).json()["id"]
    key = await first.api.post(f"/_pileus/tenants/{tenant_id}/keys", json={"name": "deploy", "role": "Administrators"})
    assert key.is_success, key.text
    headers = {"Authorization": f"APIKey {key.json()['token']}"}
    await first.api.post(f"/_pileus/tenants/{tenant_id}/suspend")

    assert (await second.api.get("/cloud/v1/instances/1/2", headers=headers)).status_code == 403
    assert await second.count("SELECT count(*) FROM clients WHERE suspended_at IS NOT NULL") == 1


async def test_a_project_is_deleted_in_all_cells(cells: tuple[CellServer, CellServer]) -> None:
    first, second = cells
    project = (await first.api.post("/cloud/v1/projects", json={"name": "shop"})).json()
    for region_id in (1, 2):
        await first.create(project["id"], region_id)

    answer = await second.api.delete(f"/cloud/v1/projects/{project['id']}")
    assert answer.status_code == 200, answer.text
    task = await second.wait(answer.json()["tasks"][0])

    assert (task["state"], parse_id_cell(task["id"])) == ("FINISHED", 0)
    assert [await cell.count(INSTANCES) for cell in cells] == [0, 0]
    assert (await first.order(project["id"], 2)).status_code == 404
    assert (await first.api.delete(f"/cloud/v1/projects/{project['id']}")).status_code == 404


async def test_a_project_that_cell_0_does_not_delete_is_deleted_nowhere(
    cells: tuple[CellServer, CellServer],
) -> None:
    first, second = cells
    project = (await first.api.post("/cloud/v1/projects", json={"name": "shop"})).json()
    await first.create(project["id"], 2)
    path = f"/cloud/v1/projects/{project['id']}"
    await first.cloud.app_state.db.write(lambda tx: lock_project(tx, project["id"], "task"))

    answers = [await server.api.delete(path) for server in cells]
    answers.append(await second.api.delete("/cloud/v1/projects/1"))
    marked = await second.api.delete(path, headers={"pileus-from-cell": "1"})

    assert [answer.status_code for answer in answers] == [409, 409, 400]
    assert marked.status_code == 503
    assert await second.count(INSTANCES) == 1
    await first.cloud.app_state.db.write(lambda tx: lock_project(tx, project["id"], None))
    assert (await first.api.delete(path)).status_code == 200


async def lock_project(tx: Tx, project_id: int, task_id: str | None) -> None:
    await tx.run("UPDATE projects SET task_id = :task_id WHERE id = :id", id=project_id, task_id=task_id)


async def test_what_concerns_all_regions_and_is_not_put_together_is_refused(
    cells: tuple[CellServer, CellServer],
) -> None:
    for server in cells:
        answers = [
            await server.api.get("/cloud/v2/client_quotas"),
            await server.api.get("/cloud/v1/instances/search"),
            await server.api.delete("/_pileus/tenants/5"),
        ]
        assert [answer.status_code for answer in answers] == [501] * 3
        assert (await server.api.post("/_pileus/reset")).status_code == 403
        assert (await server.api.get("/cloud/v2/regional_quotas/1/2")).status_code == 200


async def test_a_cell_that_is_away_does_not_stop_the_others(tmp_path: Path) -> None:
    ports, urls = [free_port(), free_port()], ["", ""]
    async with run_cell(tmp_path, 0, ports, urls) as first:
        async with run_cell(tmp_path, 1, ports, urls):
            instance_id = await first.create(1, 2)
        away = [
            await first.api.get(f"/cloud/v1/instances/1/2/{instance_id}"),
            await first.order(1, 2),
            await first.api.get("/cloud/v1/tasks"),
        ]
        assert [answer.status_code for answer in away] == [503] * 3
        assert away[0].json()["message"] == "Cell 1 does not answer: try again later"
        await first.create(1, 1)
        strange = await first.api.get("/cloud/v1/instances/1/2", headers={"pileus-from-cell": "1"})
        assert strange.status_code == 503


async def test_requests_that_are_wrong_for_another_cell_get_the_errors_of_the_own_one(
    cells: tuple[CellServer, CellServer],
) -> None:
    first, second = cells

    async def send_too_much() -> AsyncIterator[bytes]:
        for _ in range(Settings().body_limit // len(PART) + 1):
            yield PART

    too_large = await second.api.post("/cloud/v1/projects", content=send_too_much())
    assert (too_large.status_code, too_large.json()["exception_class"]) == (413, "RequestEntityTooLarge")
    for server in cells:
        too_long = await server.api.get("/cloud/v1/tasks", params={"limit": "9" * 5000})
        assert (too_long.status_code, too_long.json()["exception_class"]) == (400, "ValidationError")
    await second.api.post("/cloud/v1/projects", json={"name": "shop"})
    for path in ("/cloud/v1/user_actions", "/cloud/v1/projects/1"):
        answers = [await second.api.head(path), await second.api.get(path), await first.api.head(path)]
        assert [answer.status_code for answer in answers] == [200] * 3
        assert {answer.headers["content-length"] for answer in answers} == {str(len(answers[1].content))}


async def test_each_cell_has_connections_of_its_own(tmp_path: Path) -> None:
    ports, urls = [free_port(), free_port()], ["", ""]
    async with run_cell(tmp_path, 0, ports, urls) as first:
        async with run_cell(tmp_path, 1, ports, urls):
            await first.api.get("/cloud/v1/tasks")
        connections = first.cloud.app_state.cells
        assert connections is not None
        clients = list(connections.clients.values())
        assert list(connections.clients) == [0, 1]
        assert clients[0] is not clients[1]
    assert all(client.is_closed for client in clients)


async def test_a_request_that_gets_no_connection_has_changed_nothing() -> None:
    is_asked, has_ended = asyncio.Event(), asyncio.Event()

    async def hang(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_asked.set()
        await has_ended.wait()
        writer.close()

    async with await asyncio.start_server(hang, "127.0.0.1", 0) as server:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        scope = {"method": "POST", "raw_path": b"/", "query_string": b"", "headers": []}
        limits, timeout = httpx.Limits(max_connections=1), httpx.Timeout(60, pool=0.01)
        async with httpx.AsyncClient(limits=limits, timeout=timeout) as client:
            mark = (b"mark", b"1")
            hanging = asyncio.create_task(forward_request(client, scope, address, b"", mark=mark, away="Away"))
            await is_asked.wait()
            with pytest.raises(Unavailable):
                await forward_request(client, scope, address, b"", mark=mark, away="Away")
            has_ended.set()
            with pytest.raises(OutcomeUnknown):
                await hanging


async def test_an_answer_that_is_not_that_of_a_cell_is_no_answer(tmp_path: Path) -> None:
    """A proxy in front of a cell can answer 200 with a page of its own."""

    async def answer_page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\n<html>")
        await writer.drain()
        writer.close()

    ports = [free_port(), free_port()]
    async with (
        await asyncio.start_server(answer_page, "127.0.0.1", ports[1]),
        run_cell(tmp_path, 0, ports, ["", ""]) as first,
    ):
        project = (await first.api.post("/cloud/v1/projects", json={"name": "shop"})).json()
        answers = [
            await first.api.get("/cloud/v1/tasks"),
            await first.api.delete(f"/cloud/v1/projects/{project['id']}"),
        ]
        assert [answer.status_code for answer in answers] == [503] * 2
        assert answers[0].json()["message"] == "Cell 1 does not answer: try again later"


async def test_a_database_keeps_the_cell_of_its_first_start(tmp_path: Path) -> None:
    ports, urls = [free_port(), free_port()], ["", ""]
    async with run_cell(tmp_path, 0, ports, urls), run_cell(tmp_path, 1, ports, urls):
        pass
    settings = checked_settings(data=tmp_path / "1", secrets_key=str(tmp_path / "keys"))

    with pytest.raises(StartError) as refused, explain_start_errors(settings):
        async with run_cloud(settings):
            pass

    assert str(refused.value) == "The database is that of cell 1: start the server with --cell 1"
    with pytest.raises(NoCloud, match="keys and users are in that of cell 0"):
        async with open_api_keys(settings):
            pass


async def test_a_database_from_before_there_were_cells_is_that_of_cell_0(tmp_path: Path) -> None:
    async with run_cloud(checked_settings(data=tmp_path)) as cloud:
        await cloud.app_state.db.write(remove_number)
    async with run_cloud(checked_settings(data=tmp_path)):
        pass


async def remove_number(tx: Tx) -> None:
    await tx.run("DELETE FROM own_cell")


async def test_a_cell_does_not_start_before_the_tenants_are_there(tmp_path: Path) -> None:
    (tmp_path / "0").mkdir()
    with pytest.raises(StartError, match="cell 0 first"), explain_start_errors(checked_settings()):
        async with run_cell(tmp_path, 1, [free_port(), free_port()], ["", ""]):
            pass


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"cell": 1}, "--cells: the address of cell 0 is missing"),
        ({"cells": "1=http://localhost:1"}, "--cells: the address of cell 0 is missing"),
        ({"cell": 1, "cells": "0=http://localhost:1,1=http://localhost:2"}, "--tenants-database: a server of another"),
        ({"tenants_database": "/data"}, "--tenants-database: the database of this server"),
    ],
)
async def test_settings_that_do_not_fit_together_are_refused(
    tmp_path: Path, values: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingError, match=message):
        async with run_cloud(checked_settings(data=tmp_path, **values)):
            pass


@pytest.mark.parametrize(
    ("name", "value"), [("cell", "-1"), ("cell", "65536"), ("cells", "0=here"), ("cells", "http://localhost")]
)
def test_numbers_and_addresses_of_cells_have_a_format(name: str, value: str) -> None:
    with pytest.raises(SettingError, match=name):
        load({name: value}, {})


async def test_a_transaction_on_tables_of_tenants_and_of_regions_is_found(db: Database, url: str) -> None:
    if url:
        return

    async def write_both(tx: Tx) -> None:
        await api_keys.find_with_caller(tx, 1)
        await tx.run("UPDATE instances SET name = 'web'")

    async def write_after_reading_a_copy(tx: Tx) -> None:
        await tx.one("SELECT name FROM clients")
        await tx.run("UPDATE instances SET name = 'web'")

    with watch_transactions(db) as watched:
        await db.write(write_after_reading_a_copy)
        assert watched.list_mixed() == set()
        await db.write(write_both)

    (mixed,) = watched.list_mixed()
    assert mixed == TouchedTables(frozenset({"api_keys", "users"}), frozenset({"instances"}))
