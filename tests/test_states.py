"""Files with the state of a cloud: saved from one server, loaded into another, all or nothing."""

import gzip
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from pileus.app import RunningCloud, run_cloud
from pileus.store import state_files
from pileus.store.database_checks import DatabaseChecks
from pileus.store.schema import load_migrations
from pileus.store.secrets import PREFIX, SecretBox
from pileus.store.sqlite import Sqlite
from pileus.store.state_files import KEYS, write_state
from pileus.store.tables import CLOUD_TABLES
from tests.app_settings import checked_settings
from tests.databases import BACKENDS, database_url
from tests.orders import an_order
from tests.servers import KEY
from tests.tasks.test_upgrade import restore
from tests.tenants import client_of
from tests.test_resets import VOLUME, differing, load_rows, make_everything, wait_for_task

STATE = "/_pileus/state"
OTHER_KEY = "1_the-key-of-another-server-0123456789"
AMQP = {"connection_string": "amqp://user:secret@127.0.0.1:5672/", "routing_key": "r", "exchange": "x"}


@asynccontextmanager
async def run_one(data: Path, url: str = "", key: str = KEY) -> AsyncIterator[tuple[RunningCloud, httpx.AsyncClient]]:
    """Run a cloud, and provide an operator's client."""
    settings = checked_settings(data=data, database=url, api_key=key, subscribers="any")
    async with run_cloud(settings) as cloud, client_of(cloud, key) as operator:
        yield cloud, operator


@pytest.mark.parametrize("target", BACKENDS)
@pytest.mark.parametrize("source", BACKENDS)
async def test_a_state_loads_into_another_server(
    source: str, target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_files, "PAGE_ROWS", 2)
    with database_url(source) as source_url, database_url(target) as target_url:
        async with run_one(tmp_path / "a", source_url) as (first, operator):
            await make_everything(operator, "1/1")
            tenant_id = (await operator.post("/_pileus/tenants", json={"name": "tenant"})).json()["id"]
            key = {"name": "key-1", "role": "Administrators"}
            token = (await operator.post(f"/_pileus/tenants/{tenant_id}/keys", json=key)).json()["token"]
            state = (await operator.get(STATE)).content
            before = await load_rows(first.app_state.db)
        async with run_one(tmp_path / "b", target_url, OTHER_KEY) as (second, operator):
            await make_everything(operator, "1/1")

            assert (await operator.put(STATE, content=state)).status_code == 204

            changed = {table for table, _ in differing(before, await load_rows(second.app_state.db))}
            assert changed <= {"api_keys"}
            assert await DatabaseChecks(second.app_state.db).find_all() == []
            async with client_of(second, token) as of_tenant:
                assert (await of_tenant.get("/cloud/v1/projects")).status_code == 200
            await wait_for_task(operator, await operator.post("/cloud/v2/instances/1/1", json=an_order()))


async def test_tasks_that_had_not_ended_go_on(tmp_path: Path) -> None:
    async with run_one(tmp_path / "a") as (_, operator):
        await operator.post("/_pileus/faults", json={"kind": "hold", "step": "create"})
        answer = await operator.post("/cloud/v1/volumes/1/1", json=VOLUME)
        state = (await operator.get(STATE)).content
    async with run_one(tmp_path / "b") as (_, operator):
        await operator.put(STATE, content=state)
        await operator.delete("/_pileus/faults")

        assert (await wait_for_task(operator, answer))["state"] == "FINISHED"


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[tuple[RunningCloud, httpx.AsyncClient]]:
    """A cloud with a volume."""
    async with run_one(tmp_path / "data") as (running, operator):
        await wait_for_task(operator, await operator.post("/cloud/v1/volumes/1/1", json=VOLUME))
        yield running, operator


def edit(state: bytes, change: Callable[[list[Any]], object]) -> bytes:
    """Return a file whose lines are changed."""
    lines = [json.loads(line) for line in gzip.decompress(state).splitlines()]
    change(lines)
    return gzip.compress(b"".join(json.dumps(line).encode() + b"\n" for line in lines))


def line_of(lines: list[Any], table: str) -> int:
    """Return the number of the first row of a table."""
    return next(at for at, line in enumerate(lines) if isinstance(line, dict) and line.get("table") == table) + 1


def a_flipped_byte(state: bytes) -> bytes:
    """Return a file with one wrong bit."""
    return state[:900] + bytes([state[900] ^ 1]) + state[901:]


BROKEN: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda _: b"", "no file with the state"),
    "foreign": (lambda _: b"PK\x03\x04 a zip", "no file with the state"),
    "foreign JSON": (lambda _: gzip.compress(b'{"resources": []}\n'), "no file with the state"),
    "cut off": (lambda state: state[: len(state) // 2], "cut off"),
    "cut off at its end": (lambda state: state[:-4], "cut off"),
    "flipped byte": (a_flipped_byte, "file"),
    "without end": (lambda state: edit(state, lambda lines: lines.pop()), "cut off"),
    "too few rows": (lambda state: edit(state, lambda lines: lines.pop(line_of(lines, "volumes"))), "rows"),
    "newer schema": (lambda state: edit(state, lambda lines: lines[0].update(schema=9000)), "newer version"),
    "newer format": (lambda state: edit(state, lambda lines: lines[0].update(version=2)), "newer version"),
    "unknown table": (
        lambda state: edit(state, lambda lines: lines.insert(1, {"table": "futures", "columns": ["id"]})),
        "futures is no table",
    ),
    "wrong type": (
        lambda state: edit(state, lambda lines: lines[line_of(lines, "clients")].__setitem__(0, "one")),
        "near a row of clients",
    ),
    "missing reference": (
        lambda state: edit(state, lambda lines: lines[line_of(lines, "volumes")].__setitem__(2, 77)),
        "near a row of volumes",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_file_changes_nothing(cloud: tuple[RunningCloud, httpx.AsyncClient], name: str) -> None:
    running, operator = cloud
    breaking, message = BROKEN[name]
    state = (await operator.get(STATE)).content
    before = await load_rows(running.app_state.db)

    answer = await operator.put(STATE, content=breaking(state))

    assert answer.status_code == 400, answer.text
    assert message in answer.json()["message"]
    assert await load_rows(running.app_state.db) == before
    assert (await operator.post("/cloud/v1/projects", json={"name": "still-used"})).status_code == 201


async def test_a_state_of_the_previous_version_is_migrated(tmp_path: Path) -> None:
    file = tmp_path / "previous.db"
    restore("previous_database.sql", file)
    (tmp_path / "secrets.key").touch()
    previous = Sqlite(file, SecretBox(tmp_path / "secrets.key"))
    with (tmp_path / "previous.state").open("w+b") as output:
        await write_state(previous, output, plain_secrets=False)
        output.seek(0)
        state = output.read()
    async with previous.read() as tx:
        volumes = await tx.all("SELECT id FROM volumes ORDER BY id")
    await previous.close()

    async with run_one(tmp_path / "new") as (cloud, operator):
        answer = await operator.put(STATE, content=state)

        async with cloud.app_state.db.read() as tx:
            loaded = await tx.all("SELECT id FROM volumes ORDER BY id")
    assert answer.status_code == 204, answer.text
    assert volumes
    assert loaded == volumes
    assert json.loads(gzip.decompress(state).splitlines()[0])["schema"] < len(load_migrations())


async def test_secrets_need_their_key_or_are_saved_in_plain_text(tmp_path: Path) -> None:
    async with run_one(tmp_path / "a") as (_, operator):
        (await operator.post("/cloud/v1/user_actions/subscribe_amqp", json=AMQP)).raise_for_status()
        encrypted = (await operator.get(STATE)).content
        plain = (await operator.get(STATE, params={"plain_secrets": "true"})).content
    async with run_one(tmp_path / "b") as (cloud, operator):
        refused = await operator.put(STATE, content=encrypted)
        loaded = await operator.put(STATE, content=plain)
        async with cloud.app_state.db.read() as tx:
            ((target,),) = await tx.all("SELECT target FROM subscriptions")

    assert b"user:secret" not in gzip.decompress(encrypted)
    assert b"user:secret" in gzip.decompress(plain)
    assert (refused.status_code, "--plain-secrets" in refused.json()["message"]) == (400, True)
    assert loaded.status_code == 204
    assert target.startswith(PREFIX)


async def test_a_flavor_that_the_catalogue_lacks_is_refused(cloud: tuple[RunningCloud, httpx.AsyncClient]) -> None:
    running, operator = cloud
    await make_everything(operator, "1/1")
    state = (await operator.get(STATE)).content
    unknown = gzip.compress(gzip.decompress(state).replace(b"g1-standard-1-2", b"g9-standard-1-2"))
    before = await load_rows(running.app_state.db)

    answer = await operator.put(STATE, content=unknown)

    assert (answer.status_code, "g9-standard-1-2" in answer.json()["message"]) == (400, True)
    assert await load_rows(running.app_state.db) == before


async def test_only_an_operator_has_the_state(cloud: tuple[RunningCloud, httpx.AsyncClient]) -> None:
    running, operator = cloud
    body = {"name": "key-1", "role": "Administrators"}
    token = (await operator.post("/_pileus/tenants/1/keys", json=body)).json()["token"]
    async with client_of(running, token) as administrator:
        assert (await administrator.get(STATE)).status_code == 403
        assert (await administrator.put(STATE, content=b"")).status_code == 403


async def test_the_keys_of_all_tables_are_those_of_the_schema(cloud: tuple[RunningCloud, httpx.AsyncClient]) -> None:
    keys: dict[str, tuple[str, ...]] = {}
    async with cloud[0].app_state.db.read() as tx:
        for table in CLOUD_TABLES:
            columns = await tx.all(f"SELECT name FROM pragma_table_info('{table.name}') WHERE pk > 0 ORDER BY pk")
            keys[table.name] = tuple(str(row[0]) for row in columns)

    assert keys == {table.name: KEYS.get(table.name, ("id",)) for table in CLOUD_TABLES}
