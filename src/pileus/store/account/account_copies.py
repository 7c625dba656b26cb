"""Copies of tenants in the database of a cell: of all rows that changes in its regions refer to."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from pileus.domain.account.clients import Client
from pileus.domain.account.projects import Project
from pileus.domain.account.quotas import QuotaThreshold
from pileus.domain.account.subscriptions import Subscription
from pileus.domain.compute.ssh_keys import SSHKey
from pileus.store.account import account_revisions, clients, projects, quotas, subscriptions
from pileus.store.compute import ssh_keys
from pileus.store.database import Tx
from pileus.store.rows import Table

R = TypeVar("R", bound=Struct)
OF_CLIENT = "client_id = :client_id"
UNKNOWN = -1
"""The number of a copy that nothing has been saved in."""
RELEASED_NAME = "\x01{}"
"""The name of a copy that waits for its new name, or for the end of its deletion."""


class Account(Struct, frozen=True, kw_only=True):
    """The rows of a tenant that other cells copy, and the number of their changes."""

    revision: int
    client: Client
    projects: Sequence[Project]
    ssh_keys: Sequence[SSHKey]
    limits: Sequence[tuple[int, str, int]]
    thresholds: Sequence[QuotaThreshold]
    subscriptions: Sequence[Subscription]


async def load(tx: Tx, client_id: int) -> Account | None:
    """Return what is to be copied of a tenant, from one snapshot; None for one that does not exist."""
    client = await clients.TABLE.find_by_id(tx, client_id)
    if client is None:
        return None
    limits = await tx.all(f"SELECT region_id, name, value FROM quota_limits WHERE {OF_CLIENT}", client_id=client_id)
    return Account(
        revision=await account_revisions.find(tx, client_id),
        client=client,
        projects=await projects.TABLE.find(tx, OF_CLIENT, client_id=client_id),
        ssh_keys=await ssh_keys.TABLE.find(tx, OF_CLIENT, client_id=client_id),
        limits=[(int(region_id), str(name), int(value)) for region_id, name, value in limits],
        thresholds=await quotas.THRESHOLDS.find(tx, OF_CLIENT, client_id=client_id),
        subscriptions=await subscriptions.TABLE.find(tx, OF_CLIENT, client_id=client_id),
    )


async def lock(tx: Tx, client_id: int) -> int | None:
    """Lock the copy of a tenant until the transaction ends; return its number of changes, or None if it is new.

    What is loaded after that is at least as new as all that others have saved.
    """
    await tx.run(
        "INSERT INTO account_copies (client_id, revision) VALUES (:client_id, :unknown)"
        " ON CONFLICT (client_id) DO UPDATE SET revision = account_copies.revision",
        client_id=client_id,
        unknown=UNKNOWN,
    )
    row = await tx.one(f"SELECT revision FROM account_copies WHERE {OF_CLIENT}", client_id=client_id)
    return int(row[0]) if row and row[0] != UNKNOWN else None


async def save(tx: Tx, account: Account) -> None:
    """Make the locked copy of a tenant equal."""
    await tx.send(
        f"UPDATE account_copies SET revision = :revision WHERE {OF_CLIENT}",
        client_id=account.client.id,
        revision=account.revision,
    )
    await _save_client(tx, account.client)
    await _save_projects(tx, account)
    await _save_rows(tx, account.client.id, ssh_keys.TABLE, account.ssh_keys, lambda key: key.id)
    await _save_rows(tx, account.client.id, quotas.THRESHOLDS, account.thresholds, lambda row: row.client_id)
    await _save_rows(tx, account.client.id, subscriptions.TABLE, account.subscriptions, lambda row: row.id)
    await tx.send(f"DELETE FROM quota_limits WHERE {OF_CLIENT}", client_id=account.client.id)
    for region_id, name, value in account.limits:
        values = {"client_id": account.client.id, "region_id": region_id, "name": name, "value": value}
        await tx.send(
            "INSERT INTO quota_limits (client_id, region_id, name, value)"
            " VALUES (:client_id, :region_id, :name, :value)",
            **values,
        )


async def _save_client(tx: Tx, client: Client) -> None:
    """Save the tenant itself."""
    await tx.run(
        "INSERT INTO clients (id, name, created_at, deleted_at, suspended_at)"
        " VALUES (:id, :name, :created_at, :deleted_at, :suspended_at)"
        " ON CONFLICT (id) DO UPDATE SET name = excluded.name, deleted_at = excluded.deleted_at,"
        " suspended_at = excluded.suspended_at",
        **clients.TABLE.column_values(tx, client),
    )


async def _save_projects(tx: Tx, account: Account) -> None:
    """Save the projects. One whose deletion has begun or ended here stays so: it is deleted here first."""
    existing = await _release_changed_names(tx, account)
    for project in account.projects:
        copy = existing.get(project.id)
        if copy is None:
            await projects.TABLE.add(tx, project)
        elif copy.task_id is None and copy.deleted_at is None:
            await projects.TABLE.save(tx, copy, replace(project, revision=copy.revision))


async def _release_changed_names(tx: Tx, account: Account) -> dict[int, Project]:
    """Return the copies of the projects by id. Those whose names have changed get names that no project can have.

    So the names are free for the projects that have them now, in whatever order they are saved.
    """
    names = {project.id: project.name for project in account.projects if project.deleted_at is None}
    copies = {copy.id: copy for copy in await projects.list_of_client(tx, account.client.id)}
    for copy in copies.values():
        if copy.deleted_at is None and names.get(copy.id) != copy.name:
            copies[copy.id] = await projects.TABLE.save(tx, copy, replace(copy, name=RELEASED_NAME.format(copy.id)))
    return copies


def _subscription_copy(copy: Subscription | None, row: Subscription) -> Subscription:
    """Return a row with the failures of this database, which are those of a target: a new one begins without."""
    if copy is None or copy.target != row.target:
        return replace(row, failures=0, next_at=0)
    return replace(row, failures=copy.failures, next_at=copy.next_at)


def _threshold_copy(copy: QuotaThreshold | None, row: QuotaThreshold) -> QuotaThreshold:
    """Return a row with the last notification of this database."""
    return replace(row, last_sending=copy.last_sending, last_message=copy.last_message) if copy else row


KEPT_FIELDS: dict[str, Callable[[Any, Any], Any]] = {
    "subscriptions": _subscription_copy,
    "quota_thresholds": _threshold_copy,
}
"""What each database records itself in its copy: for each table a function of the copy and the new row."""


async def _save_rows(tx: Tx, client_id: int, table: Table[R], rows: Sequence[R], key: Callable[[R], Any]) -> None:
    """Save rows, after those that are gone have been removed: a new one may have the name of one of them."""
    existing = {key(row): row for row in await table.find(tx, OF_CLIENT, client_id=client_id)}
    for gone in existing.keys() - {key(row) for row in rows}:
        await table.remove(tx, gone)
    for row in rows:
        copy = existing.get(key(row))
        new_copy = KEPT_FIELDS[table.name](copy, row) if table.name in KEPT_FIELDS else row
        if copy is None:
            await table.add(tx, new_copy)
        else:
            await table.save(tx, copy, replace(new_copy, revision=copy.revision))  # type: ignore[attr-defined]
