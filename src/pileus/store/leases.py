"""Leases of jobs that one process at a time does for all servers of the database.

Their times are those of the system's clock.
"""

from msgspec import Struct

from pileus.store.database import Tx
from pileus.store.rows import Table


class Lease(Struct, frozen=True, kw_only=True):
    """The right of a process to do a job until it expires; `holder` names the process for operators."""

    name: str
    holder: str
    token: str
    expires_at: int


TABLE = Table("leases", Lease, key="name")


async def list_all(tx: Tx) -> list[Lease]:
    """Return all leases, also expired ones."""
    return await TABLE.find(tx, "1 = 1 ORDER BY name")


async def acquire(tx: Tx, lease: Lease, now: int) -> bool:
    """Save a lease, or extend it; return False, and change nothing, if that of another process has not expired."""
    return bool(
        await tx.run(
            "INSERT INTO leases (name, holder, token, expires_at) VALUES (:name, :holder, :token, :expires_at)"
            " ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, token = excluded.token,"
            " expires_at = excluded.expires_at WHERE leases.token = excluded.token OR leases.expires_at <= :now",
            **TABLE.column_values(tx, lease),
            now=now,
        )
    )


async def remove_expired(tx: Tx, before: int) -> None:
    """Remove leases that have expired before a time: nobody does these jobs any more."""
    await TABLE.remove_all(tx, "expires_at < :before", before=before)


async def release(tx: Tx, token: str) -> None:
    """Remove the leases of a process."""
    await TABLE.remove_all(tx, "token = :token", token=token)
