"""Tickets that sign the local user in to the web console: each is valid once and for a short time.

A ticket and the session that it starts are API keys of the operator, so that they are listed and revoked as keys are.
The digest of a ticket is not that of its text alone: no request is authenticated by a ticket.
"""

from pileus.domain.account.access import Role
from pileus.domain.account.api_keys import ApiKey, hash_api_token, parse_key_id
from pileus.domain.account.clients import FIRST_CLIENT, check_not_suspended
from pileus.services.account.api_keys import create_api_key, generate_api_token
from pileus.store.account import api_keys, clients
from pileus.store.database import Tx

SECOND = 1_000_000
TICKET_LIFETIME, SESSION_LIFETIME = 600 * SECOND, 12 * 3600 * SECOND
"""Microseconds."""
TICKET_NAME, SESSION_NAME = "web console ticket", "web console"


async def create_console_ticket(tx: Tx, now: int) -> str:
    """Save a ticket of the operator, and return its text."""
    await clients.lock_present(tx, FIRST_CLIENT)
    user_id = await clients.get_first_user_id(tx, FIRST_CLIENT)
    key_id = await api_keys.allocate_id(tx)
    ticket = generate_api_token(key_id)
    key = ApiKey(
        id=key_id,
        client_id=FIRST_CLIENT,
        user_id=user_id,
        name=TICKET_NAME,
        role=Role.OPERATORS,
        digest=hash_api_token(_key_text(ticket)),
        created_at=now,
        expires_at=now + TICKET_LIFETIME,
    )
    await api_keys.add(tx, key)
    return ticket


async def start_console_session(tx: Tx, ticket: str, now: int) -> tuple[ApiKey, str] | None:
    """Use up a ticket: return the key of a new session with its token, or None if it is not valid any more.

    Raises Forbidden if the tenant has been suspended meanwhile; the ticket is not used up.
    """
    key_id = parse_key_id(ticket)
    row = None if key_id is None else await api_keys.find_with_caller(tx, key_id)
    if row is None or not row[0].is_valid_token(_key_text(ticket), now):
        return None
    check_not_suspended(row[1].client_id, is_suspended=row[1].is_suspended)
    # Of several uses at the same time, one revokes the ticket.
    if not await api_keys.revoke(tx, row[0].id, now):
        return None
    return await create_api_key(tx, FIRST_CLIENT, SESSION_NAME, Role.OPERATORS, now + SESSION_LIFETIME, now)


def _key_text(ticket: str) -> str:
    """Return the text whose digest is stored; it is not a token, because tokens begin with a digit."""
    return f"ticket:{ticket}"
