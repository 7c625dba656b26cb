"""Copies of tenants in the database of a cell: equal to the rows in that of cell 0, whatever has changed there."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from msgspec.structs import replace

from pileus.api.cell_connections import AccountCopies
from pileus.domain.account.clients import Client
from pileus.domain.account.projects import Project
from pileus.domain.account.subscriptions import SubscriptionTarget, WebhookTarget, new_subscription
from pileus.domain.account.user_actions import UserAction
from pileus.domain.compute.ssh_keys import SSHKey
from pileus.store.account import account_revisions, clients, projects, subscriptions, user_actions
from pileus.store.compute import ssh_keys
from pileus.store.database import Database, Tx
from pileus.store.schema import open_database
from pileus.tasks.account.deliveries import EventDeliverer

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


async def test_a_copy_follows_a_database_that_is_restored_to_an_older_state(
    tenants_db: Database, db: Database, tmp_path: Path
) -> None:
    await tenants_db.write(lambda tx: rename(tx, web="shop"))
    await tenants_db.write(lambda tx: rename(tx, shop="store"))
    await AccountCopies(tenants_db, db).ensure_current(1)
    restored_db = await open_database("", tmp_path / "restored", secrets_key=str(tmp_path / "tenants" / "secrets.key"))
    await restored_db.write(add_tenant)

    copies = AccountCopies(restored_db, db)
    await copies.ensure_current(1)
    assert await list_projects(db) == {1: "web", 2: "ops"}
    for names in ({"web": "one"}, {"one": "two"}):
        await restored_db.write(lambda tx, names=names: rename(tx, **names))  # type: ignore[misc]
    await AccountCopies(restored_db, db).ensure_current(1)

    assert await list_projects(db) == {1: "two", 2: "ops"}
    await restored_db.close()


async def test_the_numbers_of_changes_are_not_made_again_after_a_restoration(
    tenants_db: Database, db: Database
) -> None:
    await db.write(add_tenant)
    numbers = []
    for database in (tenants_db, db):
        async with database.read() as tx:
            numbers.append(await account_revisions.find(tx, 1))

    assert numbers[0] != numbers[1]


def a_webhook(url: str) -> WebhookTarget:
    return WebhookTarget(url=url, auth_header_name="X-Key", auth_header_value="secret")


async def subscribe(tx: Tx, url: str) -> None:
    """Let events be sent to another URL from now on."""
    existing = await subscriptions.find(tx, 1)
    if existing is None:
        await subscriptions.add(tx, new_subscription(1, 1, a_webhook(url), 1))
    else:
        await subscriptions.save(tx, existing, replace(existing, target=a_webhook(url)))
    await account_revisions.bump(tx, 1)


async def note_failure(tx: Tx) -> None:
    existing = await subscriptions.find(tx, 1)
    assert existing is not None
    await subscriptions.save(tx, existing, existing.after_failed_delivery(10))


async def find_failures(db: Database) -> tuple[int, int]:
    async with db.read() as tx:
        copy = await subscriptions.find(tx, 1)
    assert copy is not None
    return copy.failures, copy.next_at


async def test_the_failures_of_a_cell_are_those_of_a_target(tenants_db: Database, db: Database) -> None:
    copies = AccountCopies(tenants_db, db)
    await tenants_db.write(lambda tx: subscribe(tx, "https://one"))
    await tenants_db.write(note_failure)
    await copies.ensure_current(1)
    assert await find_failures(db) == (0, 0)

    await db.write(note_failure)
    failed = await find_failures(db)
    await tenants_db.write(lambda tx: subscribe(tx, "https://one"))
    await copies.ensure_current(1)
    assert await find_failures(db) == failed
    assert failed[0] == 1

    await tenants_db.write(lambda tx: subscribe(tx, "https://two"))
    await copies.ensure_current(1)
    assert await find_failures(db) == (0, 0)


@dataclass(slots=True)
class UrlNotifier:
    """Records the URLs that events are sent to."""

    urls: list[str] = field(default_factory=list)

    async def check_target(self, target: SubscriptionTarget) -> None:
        """Accept any target."""

    async def send(self, target: SubscriptionTarget, message_id: str, body: bytes, now: int) -> None:  # noqa: ARG002  # the notifier's signature
        """Record the URL."""
        assert isinstance(target, WebhookTarget)
        self.urls.append(target.url)


async def test_a_cell_delivers_to_the_present_target_although_no_caller_comes(
    tenants_db: Database, db: Database
) -> None:
    copies, notifier = AccountCopies(tenants_db, db), UrlNotifier()
    await tenants_db.write(lambda tx: subscribe(tx, "https://one"))
    await copies.ensure_current(1)
    event = UserAction(id="event", client_id=1, user_id=1, api_group="project", action_type="update", created_at=1,
        resources=[], email=None, token_id=None, project_id=None, region_id=None, action_data=None, task_id=None,
        source_user_ip=None, user_agent=None)  # fmt: skip
    await db.write(lambda tx: user_actions.add(tx, event, 1))

    await tenants_db.write(lambda tx: subscribe(tx, "https://two"))
    await EventDeliverer(
        db, notifier, lambda action: action.id.encode(), lambda: 2, ensure_tenant=copies.ensure_current
    ).run_until_idle()

    assert notifier.urls == ["https://two"]
