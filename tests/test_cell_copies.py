"""Copies of tenants in the database of a cell: equal to the rows in that of cell 0, whatever has changed there."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from pileus.api.cell_connections import AccountCopies
from pileus.domain.account.clients import Client
from pileus.domain.account.projects import Project
from pileus.domain.compute.ssh_keys import SSHKey
from pileus.store.account import account_revisions, clients, projects
from pileus.store.compute import ssh_keys
from pileus.store.database import Database, Tx
from pileus.store.schema import open_database

TENANT = Client(id=1, name="Shop", created_at=1)
WEB = Project(id=1, client_id=1, name="web", is_default=True, created_at=1)
OPS = Project(id=2, client_id=1, name="ops", created_at=2)


def a_key(key_id: str) -> SSHKey:
    """Return a key with the name that all of them have."""
    return SSHKey(
        id=key_id, client_id=1, project_id=1, user_id=1, name="laptop", public_key="", fingerprint="", created_at=1
    )


async def add_tenant(tx: Tx) -> None:
    await clients.TABLE.add(tx, TENANT)
    await projects.add(tx, WEB)
    await projects.add(tx, OPS)


async def rename(tx: Tx, **names: str) -> None:
    """Give projects other names in one transaction, by way of names that are free."""
    existing = {project.name: project for project in await projects.list_of_client(tx, 1)}
    free = [(await projects.save(tx, existing[old], replace(existing[old], name=f"{old}-")), new)
            for old, new in names.items()]  # fmt: skip
    for project, new in free:
        await projects.save(tx, project, replace(project, name=new))


async def list_projects(db: Database) -> dict[int, str]:
    async with db.read() as tx:
        return {project.id: project.name for project in await projects.list_of_client(tx, 1)}


@pytest.fixture
async def tenants_db(tmp_path: Path) -> AsyncIterator[Database]:
    """The database of cell 0, with a tenant of two projects."""
    database = await open_database("", tmp_path / "tenants")
    await database.write(add_tenant)
    yield database
    await database.close()


async def test_a_key_that_is_made_again_under_its_name_is_copied(tenants_db: Database, db: Database) -> None:
    copies = AccountCopies(tenants_db, db)
    await tenants_db.write(lambda tx: ssh_keys.add(tx, a_key("first")))
    await copies.ensure_current(1)

    async def make_again(tx: Tx) -> None:
        await ssh_keys.remove(tx, "first")
        await ssh_keys.add(tx, a_key("second"))
        await account_revisions.bump(tx, 1)

    await tenants_db.write(make_again)
    await copies.ensure_current(1)

    async with db.read() as tx:
        assert [key.id for key in await ssh_keys.TABLE.find(tx, "client_id = 1")] == ["second"]


async def test_projects_that_swap_their_names_are_copied(tenants_db: Database, db: Database) -> None:
    copies = AccountCopies(tenants_db, db)
    await copies.ensure_current(1)

    await tenants_db.write(lambda tx: rename(tx, web="ops", ops="web"))
    await copies.ensure_current(1)

    assert await list_projects(db) == {1: "ops", 2: "web"}


async def test_the_name_of_a_project_that_the_cell_deletes_can_be_given_again(
    tenants_db: Database, db: Database
) -> None:
    copies = AccountCopies(tenants_db, db)
    await copies.ensure_current(1)
    await db.write(lambda tx: projects.TABLE.save(tx, OPS, OPS.deleting("task")))

    await tenants_db.write(lambda tx: rename(tx, ops="old"))
    await tenants_db.write(lambda tx: projects.add(tx, replace(OPS, id=3)))
    await copies.ensure_current(1)

    names = await list_projects(db)
    assert (names[1], names[3]) == ("web", "ops")
    async with db.read() as tx:
        assert (await projects.get_by_id(tx, 2)).state == "DELETING"
