"""Logins of users with a password."""

import asyncio

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from pileus.api.authentication import INVALID
from pileus.api.authorization import OPEN, READ
from pileus.api.context import AppState, Ctx
from pileus.api.requests import BodyDecodingRequest
from pileus.api.wire.account.logins import LogIn, LoginTokens, RefreshLogin
from pileus.domain.account.login_sessions import TokenPair
from pileus.domain.account.users import normalize_email
from pileus.domain.errors import Forbidden, Invalid, Unauthenticated, not_found
from pileus.services.account import logins
from pileus.store.account import users

ROOT = "/iam/auth/jwt"
OLDER_LOGINS = ["/auth/jwt/login", "/cloud/auth/jwt/login"]
OLDER_REFRESHES = ["/auth/jwt/refresh", "/cloud/auth/jwt/refresh", "/cloud/v1/token/refresh", "/v1/token/refresh"]
"""Addresses of older clients, which depend on how they are configured."""
BAD_LOGIN = "Unable to log in with the provided credentials"


@post(f"{ROOT}/login", opt=OPEN, status_code=200, tags=["Logins"])
async def log_in(
    app_state: NamedDependency[AppState], request: BodyDecodingRequest, data: JSONBody[LogIn]
) -> LoginTokens:
    """Log in with an e-mail address and a password.

    Send the access token as `Authorization: Bearer <access>`. It is valid for an hour. Then get new tokens with the
    refresh token, which is valid for 24 hours. A wrong address or password answers 400. After 10 failed logins of a
    user within five minutes, or 100 from one address, the answer is 429.
    """
    return await _log_in(app_state, request, data)


@post(OLDER_LOGINS, opt=OPEN, status_code=200, include_in_schema=False)
async def log_in_at_older_address(
    app_state: NamedDependency[AppState], request: BodyDecodingRequest, data: JSONBody[LogIn]
) -> LoginTokens:
    """Log in, for older clients."""
    return await _log_in(app_state, request, data)


@post(f"{ROOT}/refresh", opt=OPEN, status_code=200, tags=["Logins"])
async def refresh_login(app_state: NamedDependency[AppState], data: JSONBody[RefreshLogin]) -> LoginTokens:
    """Get new tokens with a refresh token.

    It can be used once, and again within a minute if the answer was lost. Later uses end the login, because the token
    may have been stolen: log in again.
    """
    return await _refresh_login(app_state, data)


@post(OLDER_REFRESHES, opt=OPEN, status_code=200, include_in_schema=False)
async def refresh_login_at_older_address(
    app_state: NamedDependency[AppState], data: JSONBody[RefreshLogin]
) -> LoginTokens:
    """Get new tokens, for older clients."""
    return await _refresh_login(app_state, data)


@get(f"{ROOT}/clients/{{client_id:int}}/login", opt=READ, tags=["Logins"])
async def select_account(ctx: Ctx, client_id: FromPath[int]) -> LoginTokens:
    """Get tokens for one of the user's accounts. A user has one account; the request needs an access token."""
    if client_id != ctx.caller.client_id:
        raise not_found("Client", client_id)
    if ctx.caller.token_id is not None:
        raise Forbidden("An API key cannot start a login")
    async with ctx.db.read() as tx:
        user = await users.get(tx, ctx.caller.user_id)
    session_id = ctx.new_id()
    return _show_tokens(await ctx.write(lambda tx: logins.start_session(tx, user, session_id, ctx.now())))


async def _log_in(state: AppState, request: BodyDecodingRequest, data: LogIn) -> LoginTokens:
    email, client = normalize_email(data.username), request.scope.get("client")
    peer = client[0] if client else ""
    state.login_limits.begin_login(email, peer, state.now())
    is_right = False
    try:
        tokens = await _start_session(state, email, data.password)
        is_right = tokens is not None
    except Forbidden:
        # The password is right, but the tenant is suspended.
        is_right = True
        raise
    finally:
        state.login_limits.end_login(email, peer, succeeded=is_right)
    return _show_tokens(tokens)


async def _start_session(state: AppState, email: str, password: str) -> TokenPair | None:
    """Check a password in a thread, and start a session if it is right. Unknown users take the same time."""
    from pileus.services.account import passwords  # noqa: PLC0415  # it takes long to load

    async with state.db.read() as tx:
        user = await users.find_by_email(tx, email)
    async with state.login_limits.turn:
        is_right = await asyncio.to_thread(passwords.is_password, password, user.password_digest if user else None)
    if user is None or not is_right:
        return None
    session_id = state.new_id()
    return await state.db.write(lambda tx: logins.start_session(tx, user, session_id, state.now()))


async def _refresh_login(state: AppState, data: RefreshLogin) -> LoginTokens:
    token = data.require_token()
    tokens = await state.db.write(lambda tx: logins.refresh_session(tx, token, state.now()))
    if tokens is None:
        raise Unauthenticated("Token is invalid or expired", INVALID)
    return LoginTokens.of(tokens)


def _show_tokens(tokens: TokenPair | None) -> LoginTokens:
    """Return the tokens of a login. Raises Invalid if it has failed."""
    if tokens is None:
        raise Invalid(BAD_LOGIN)
    return LoginTokens.of(tokens)


ROUTES = [log_in, log_in_at_older_address, refresh_login, refresh_login_at_older_address, select_account]
