"""Start, refresh and end sessions of users."""

import secrets

from pileus.domain.account.clients import check_not_suspended
from pileus.domain.account.login_sessions import (
    MAX_SESSIONS,
    TokenKind,
    TokenPair,
    make_token,
    new_login_session,
    parse_session_id,
)
from pileus.domain.account.users import User
from pileus.store.account import clients, login_sessions, users
from pileus.store.database import Tx


async def start_session(tx: Tx, user: User, session_id: str, now: int) -> TokenPair | None:
    """Start a session and return its tokens, or None if the user or the password has changed since it was checked.

    Raises Forbidden if the tenant is suspended.
    """
    current = await users.lock(tx, user.id)
    if current is None or current.password_digest != user.password_digest:
        return None
    await _check_tenant_has_access(tx, user)
    tokens = _new_tokens(session_id)
    await login_sessions.remove_surplus(tx, user.id, MAX_SESSIONS - 1, now)
    await login_sessions.add(tx, new_login_session(session_id, user.id, tokens, now))
    return tokens


async def refresh_session(tx: Tx, token: str, now: int) -> TokenPair | None:
    """Replace the tokens of a session, or return None if the refresh token is not valid.

    A refresh token that was replaced before may have been stolen: its use ends the session (RFC 9700, 4.14.2). Raises
    Forbidden if the tenant is suspended; the token can be used when it is resumed.
    """
    session_id = parse_session_id(TokenKind.REFRESH, token)
    session = None if session_id is None else await login_sessions.find(tx, session_id)
    if session is None:
        return None
    if not session.may_refresh(token, now):
        await login_sessions.remove(tx, session.id)
        return None
    await _check_tenant_has_access(tx, await users.get(tx, session.user_id))
    tokens = _new_tokens(session.id)
    await login_sessions.save(tx, session, session.refreshed(tokens, now))
    return tokens


async def _check_tenant_has_access(tx: Tx, user: User) -> None:
    client = await clients.get(tx, user.client_id)
    check_not_suspended(client.id, is_suspended=client.suspended_at is not None)


def _new_tokens(session_id: str) -> TokenPair:
    """Return new tokens of a session, each with 256 random bits."""
    return TokenPair(
        access=make_token(TokenKind.ACCESS, session_id, secrets.token_hex(32)),
        refresh=make_token(TokenKind.REFRESH, session_id, secrets.token_hex(32)),
    )
