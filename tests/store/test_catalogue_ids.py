"""The catalogue's ids in a database of an earlier version become version 4 in form, with all references."""

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pileus.domain.catalogue import derive_external_network_id, derive_public_image_id
from pileus.domain.ids import UUID_TEXT, canonical_id
from pileus.initial_data import load_catalogue, seed_database
from pileus.settings import Settings
from pileus.store.database import Database, Tx
from pileus.store.schema import load_migrations
from tests.databases import BACKENDS, database_url
from tests.domain.builders import NOW
from tests.domain.test_ids import is_version_4
from tests.store.test_schema import new_database
from tests.tasks.db_snapshot import load_columns
from tests.tasks.test_upgrade import read_file

Contents = dict[str, list[str]]
"""The rows of each table as JSON."""
FORMER_IMAGE, FORMER_NETWORK = "9d1afad7-106f-51a4-b8b9-00eb5f9e5288", "298d777a-6d6f-55a0-a048-07c0d8207413"
OTHER = "0f0f0f0f-0f0f-5f0f-8f0f-0f0f0f0f0f0f"
"""A UUID of version 5 that is no id of the catalogue."""
# Rows that the earlier version writes, of the kinds that its database in the files has none of.
MANY = ",\n".join(
    f"""('b-{number}', 1, 1, 'instance', 'rebuild', '{{"image_id":"{FORMER_IMAGE}","number":{number}}}', '[]', 3)"""
    for number in range(250)
)
AUDIT_LOG = f"""INSERT INTO user_actions
(id, client_id, user_id, api_group, action_type, action_data, resources, created_at) VALUES
('a-1', 1, 1, 'instance', 'rebuild', '{{"image_id":"{FORMER_IMAGE}"}}', '[]', 1),
('a-2', 1, 1, 'network', 'update', '{{"name":"{OTHER}"}}', '[{{"resource_id":"{FORMER_NETWORK}"}}]', 2);
INSERT INTO user_actions
(id, client_id, user_id, api_group, action_type, action_data, resources, created_at) VALUES
{MANY};
INSERT INTO usage_records VALUES
('p-1', 0, 1, 'external_ip', 1, 1, 1, 'x', '{{"network_id":"{OTHER}"}}', '{{}}'),
('p-1', 3, 4, 'external_ip', 1, 1, 1, 'x', '{{"network_id":null}}', '{{}}'),
('p-1', 1, 2, 'external_ip', 1, 1, 1, 'x', '{{"network_id":"{FORMER_NETWORK}"}}', '{{"image_id":"{FORMER_IMAGE}"}}');
"""
REFERENCES = [
    ("volumes", "image_id", "images"),
    ("ports", "network_id", "networks"),
    ("router_ports", "network_id", "networks"),
    ("routers", "external_network_id", "networks"),
    ("subnets", "network_id", "networks"),
    ("addresses", "subnet_id", "subnets"),
]


def insert_rows(script: str, url: str, data: Path) -> None:
    """Insert the rows of a database of the earlier version, in any order."""
    rows = "".join(
        f"{statement};\n"
        for statement in script.split(";\n")
        if statement.startswith("INSERT") and "INTO schema_versions" not in statement
    )
    if url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("SET session_replication_role = replica")
            connection.execute(rows)
    else:
        with closing(sqlite3.connect(data / "pileus.db")) as file:
            file.executescript(rows)


async def load_contents(tx: Tx, columns: dict[str, list[str]]) -> Contents:
    """Return all rows of all tables, except for the schema's versions."""
    return {
        table: sorted(
            [
                json.dumps([str(value) for value in row])
                for row in await tx.all(f"SELECT {', '.join(names)} FROM {table}")
            ]
        )
        for table, names in columns.items()
        if table != "schema_versions"
    }


def with_present_ids(contents: Contents) -> Contents:
    """Return the contents as they must be after the migration."""
    return {
        table: sorted(
            UUID_TEXT.sub(lambda match: match[0] if match[0] == OTHER else canonical_id(match[0]), row) for row in rows
        )
        for table, rows in contents.items()
    }


@pytest.fixture(params=BACKENDS)
async def former(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """The database of an earlier version, with the schema of version 10."""
    with database_url(request.param) as url:
        db = new_database(url, tmp_path)
        await db.migrate(load_migrations()[:10])
        insert_rows(read_file("previous_database.sql") + AUDIT_LOG, url, tmp_path)
        yield db
        await db.close()


async def test_every_id_and_every_reference_is_replaced_and_nothing_else(former: Database) -> None:
    columns = await load_columns(former)
    async with former.read() as tx:
        before = await load_contents(tx, columns)

    await former.migrate(load_migrations()[:11])

    async with former.read() as tx:
        after = await load_contents(tx, columns)
    assert after == with_present_ids(before)
    assert after["tasks"] != before["tasks"]
    assert FORMER_IMAGE not in str(after)
    assert FORMER_NETWORK not in str(after)


@pytest.mark.parametrize(("table", "column", "referred"), REFERENCES)
async def test_references_lead_to_records(former: Database, table: str, column: str, referred: str) -> None:
    await former.migrate(load_migrations())

    async with former.read() as tx:
        ids = {row[0] for row in await tx.all(f"SELECT id FROM {referred}")}
        references = {row[0] for row in await tx.all(f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL")}
    assert references
    assert references <= ids
    assert all(is_version_4(identity) for identity in ids)


async def test_the_next_start_finds_its_catalogue_in_the_database(former: Database, tmp_path: Path) -> None:
    await former.migrate(load_migrations())
    count = "SELECT (SELECT count(*) FROM images), (SELECT count(*) FROM networks), (SELECT count(*) FROM subnets)"
    async with former.read() as tx:
        before = await tx.one(count)

    await seed_database(former, load_catalogue(Settings()), given_key="", data=tmp_path, now=NOW)

    async with former.read() as tx:
        assert await tx.one(count) == before
        assert await tx.all("SELECT id FROM images WHERE retired = 1") == []


async def test_text_of_tenants_is_kept(former: Database) -> None:
    async def write(tx: Tx) -> None:
        row: dict[str, Any] = {"resource": "i-1", "former": FORMER_IMAGE}
        await tx.run("UPDATE volumes SET name = :former", former=FORMER_IMAGE)
        await tx.run("INSERT INTO tags VALUES (:resource, 'image_id', :former, 0, 'instance', 1, 1)", **row)

    await former.write(write)

    await former.migrate(load_migrations())

    async with former.read() as tx:
        assert {tuple(row) for row in await tx.all("SELECT name FROM volumes")} == {(FORMER_IMAGE,)}
        assert await tx.all("SELECT value FROM tags WHERE resource_id = 'i-1'") == [(FORMER_IMAGE,)]


async def test_an_image_and_a_network_keep_their_other_facts(former: Database) -> None:
    async with former.read() as tx:
        image_before = await tx.one("SELECT name, region_id, revision FROM images WHERE id = :id", id=FORMER_IMAGE)
        network_before = await tx.one("SELECT name, mtu, revision FROM networks WHERE id = :id", id=FORMER_NETWORK)

    await former.migrate(load_migrations())

    image_id, network_id = derive_public_image_id(1, "ubuntu-22.04-x64"), derive_external_network_id(1, "pub_net")
    async with former.read() as tx:
        image = await tx.one("SELECT name, region_id, revision FROM images WHERE id = :id", id=image_id)
        network = await tx.one("SELECT name, mtu, revision FROM networks WHERE id = :id", id=network_id)
    assert image == image_before is not None
    assert network == network_before is not None
