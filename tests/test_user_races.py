"""Simultaneous deletions of users."""

import asyncio

import pytest

from pileus.domain.account.users import User
from pileus.domain.errors import Conflict, NotFound
from pileus.services.account.tenants import create_tenant
from pileus.services.account.users import register_user, remove_user
from pileus.store.account import users
from pileus.store.database import Database, Tx

NOW = 1
OVERLAP = 0.3
"""Seconds for which the first transaction stays open while the second one runs, unless that ends earlier."""


@pytest.fixture
async def both(db: Database) -> list[User]:
    """The users of a tenant that has two."""
    tenant = await db.write(lambda tx: create_tenant(tx, "acme", NOW))
    await db.write(lambda tx: register_user(tx, tenant.id, "bob@example.com", "Users", "digest", NOW))
    async with db.read() as tx:
        _, registered = await users.page(tx, tenant.id, limit=10, offset=0)
    assert len(registered) == 2
    return registered


async def remove_at_once(db: Database, first: User, second: User) -> BaseException | None:
    """Delete `second` while the transaction that deletes `first` is open, and return how that fails."""
    started: list[asyncio.Task[None]] = []

    async def write(tx: Tx) -> None:
        await remove_user(tx, first)
        if not started:
            started.append(asyncio.create_task(db.write(lambda other: remove_user(other, second))))
            await asyncio.wait(started, timeout=OVERLAP)

    await db.write(write)
    await asyncio.wait(started)
    return started[0].exception()


async def test_of_the_last_two_users_of_a_tenant_one_stays(db: Database, both: list[User]) -> None:
    failure = await remove_at_once(db, *both)

    assert isinstance(failure, Conflict)
    assert "is the only user" in str(failure)
    async with db.read() as tx:
        assert (await users.page(tx, both[0].client_id, limit=10, offset=0))[1] == [both[1]]


async def test_a_user_that_is_deleted_twice_at_once_is_not_found_the_second_time(
    db: Database, both: list[User]
) -> None:
    assert isinstance(await remove_at_once(db, both[0], both[0]), NotFound)
