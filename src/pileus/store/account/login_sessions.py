"""Sessions of users who have logged in."""

from pileus.domain.account.login_sessions import LoginSession
from pileus.domain.places import Caller
from pileus.store.account.api_keys import REVOCATIONS
from pileus.store.database import Tx
from pileus.store.rows import Table

TABLE = Table("login_sessions", LoginSession)
add, save = TABLE.add, TABLE.save
find = TABLE.find_by_id
SESSION_WITH_USER = (
    f"SELECT u.client_id, u.id, u.email, u.role, c.suspended_at, {TABLE.qualified_columns('s')}"
    " FROM login_sessions s JOIN users u ON u.id = s.user_id JOIN clients c ON c.id = u.client_id WHERE s.id = :id"
)
OLDER = "SELECT id FROM login_sessions WHERE user_id = :user_id ORDER BY created_at DESC, id LIMIT 1000000 OFFSET :kept"


async def find_with_caller(tx: Tx, session_id: str) -> tuple[LoginSession, Caller] | None:
    """Return a session and the caller that it authenticates, or None."""
    row = await tx.one(SESSION_WITH_USER, id=session_id)
    if row is None:
        return None
    client_id, user_id, email, role, suspended_at = row[:5]
    caller = Caller(
        client_id=client_id,
        user_id=user_id,
        email=email,
        token_id=None,
        role=role,
        is_suspended=suspended_at is not None,
    )
    return TABLE.record_from_row(tx, row[5:]), caller


async def remove(tx: Tx, session_id: str) -> None:
    """End a session."""
    REVOCATIONS.times += 1
    await TABLE.remove(tx, session_id)


async def remove_all_of_user(tx: Tx, user_id: int) -> None:
    """End all sessions of a user."""
    REVOCATIONS.times += 1
    await tx.send("DELETE FROM login_sessions WHERE user_id = :user_id", user_id=user_id)


async def remove_all_of_client(tx: Tx, client_id: int) -> None:
    """End all sessions of a tenant's users."""
    REVOCATIONS.times += 1
    await tx.send(
        "DELETE FROM login_sessions WHERE user_id IN (SELECT id FROM users WHERE client_id = :client_id)",
        client_id=client_id,
    )


async def remove_surplus(tx: Tx, user_id: int, kept: int, now: int) -> None:
    """Remove the expired sessions of a user, and the oldest ones over `kept`."""
    await tx.send(
        f"DELETE FROM login_sessions WHERE user_id = :user_id AND (refresh_expires_at <= :now OR id IN ({OLDER}))",
        user_id=user_id,
        kept=kept,
        now=now,
    )
