"""Tenants, their users and their API keys: operators list, create, rename and end them."""

import asyncio
import logging

from litestar import delete, get, patch, post, put
from litestar.params import FromPath, JSONBody

from pileus.api.authentication import wait_until_caches_expire
from pileus.api.authorization import OPERATE
from pileus.api.context import Ctx
from pileus.api.paging import Limit, Offset
from pileus.api.wire.account.tenants import (
    CreateKey,
    CreateTenant,
    CreateUser,
    KeyView,
    KeyWithToken,
    RotateKey,
    SetPassword,
    TenantView,
    UpdateTenant,
    UserView,
    parse_expiry,
)
from pileus.api.wire.paging import Page
from pileus.domain.account.users import require_valid_email
from pileus.drivers.protocols.errors import DriverError, NotYetDone
from pileus.drivers.protocols.network import SupportsSecurityGroups
from pileus.services.account import api_keys as api_key_service
from pileus.services.account import tenants as tenant_service
from pileus.services.account import users as user_service
from pileus.store.account import api_keys, clients, users
from pileus.store.database import Tx
from pileus.store.loop_turns import build_in_turns

TENANTS = "/_pileus/tenants"
TENANT = f"{TENANTS}/{{tenant_id:int}}"
USERS, KEYS = f"{TENANT}/users", f"{TENANT}/keys"
USER, KEY = f"{USERS}/{{user_id:int}}", f"{KEYS}/{{key_id:int}}"
SECOND = 1_000_000
LOG = logging.getLogger(__name__)


@get(TENANTS, opt=OPERATE, tags=["Operators"])
async def list_tenants(ctx: Ctx, limit: Limit = 100, offset: Offset = 0) -> Page[TenantView]:
    """List the tenants, oldest first."""
    async with ctx.db.scan() as tx:
        count, page = await clients.page(tx, limit=limit, offset=offset)
    return Page(count=count, results=await build_in_turns(TenantView.of(client) for client in page))


@post(TENANTS, opt=OPERATE, tags=["Operators"], status_code=201)
async def create_tenant(ctx: Ctx, data: JSONBody[CreateTenant]) -> TenantView:
    """Create a tenant with a default project and a first user, who owns its keys but cannot log in.

    Nobody can use the tenant until you create a key or a user for it.
    """
    return TenantView.of(await ctx.write(lambda tx: tenant_service.create_tenant(tx, data.name, ctx.now())))


@get(TENANT, opt=OPERATE, tags=["Operators"])
async def get_tenant(ctx: Ctx, tenant_id: FromPath[int]) -> TenantView:
    """Get a tenant."""
    async with ctx.db.read() as tx:
        return TenantView.of(await clients.get(tx, tenant_id))


@patch(TENANT, opt=OPERATE, tags=["Operators"])
async def update_tenant(ctx: Ctx, tenant_id: FromPath[int], data: JSONBody[UpdateTenant]) -> TenantView:
    """Rename a tenant."""
    return TenantView.of(await ctx.write(lambda tx: tenant_service.rename_tenant(tx, tenant_id, data.name)))


@post(f"{TENANT}/suspend", opt=OPERATE, tags=["Operators"], status_code=200)
async def suspend_tenant(ctx: Ctx, tenant_id: FromPath[int]) -> TenantView:
    """Suspend a tenant: requests with its keys and logins get 403, and its users cannot log in.

    Everything else goes on: its machines run, its tasks end, its schedules take snapshots, its usage is recorded, and
    subscribers get its audit log. Your own tenant and that of the operators cannot be suspended: 409. To suspend a
    suspended tenant changes nothing.

    When the answer arrives, no server process accepts the keys and logins. That takes a second.
    """
    client = await ctx.write(lambda tx: tenant_service.suspend_tenant(tx, ctx, tenant_id))
    await wait_until_caches_expire()
    return TenantView.of(client)


@post(f"{TENANT}/resume", opt=OPERATE, tags=["Operators"], status_code=200)
async def resume_tenant(ctx: Ctx, tenant_id: FromPath[int]) -> TenantView:
    """Give a suspended tenant access again: its keys and logins are as before."""
    return TenantView.of(await ctx.write(lambda tx: tenant_service.resume_tenant(tx, tenant_id)))


@delete(TENANT, opt=OPERATE, tags=["Operators"])
async def delete_tenant(ctx: Ctx, tenant_id: FromPath[int]) -> None:
    """Delete a tenant that has nothing: all its keys are revoked, and its users cannot log in any more.

    A tenant with resources, unfinished tasks, or projects besides its default one cannot be deleted, nor can your own
    tenant: 409. Its audit log and its usage are kept as long as those of others, and its id is not used again.

    When the answer arrives, no server process accepts the keys and logins. That takes a second.
    """
    groups = await ctx.write(lambda tx: tenant_service.delete_tenant(tx, ctx, tenant_id))
    for region_id, group_id in groups:
        driver = ctx.app.drivers.find_here(region_id)
        if isinstance(driver, SupportsSecurityGroups):
            try:
                await driver.ensure_no_security_group(group_id)
            except (DriverError, NotYetDone):
                LOG.exception("A security group of a deleted tenant may be left", extra={"group_id": group_id})
    await wait_until_caches_expire()


@get(USERS, opt=OPERATE, tags=["Operators"])
async def list_users(ctx: Ctx, tenant_id: FromPath[int], limit: Limit = 100, offset: Offset = 0) -> Page[UserView]:
    """List the users of a tenant, oldest first."""
    async with ctx.db.scan() as tx:
        await clients.get(tx, tenant_id)
        count, page = await users.page(tx, tenant_id, limit=limit, offset=offset)
    return Page(count=count, results=await build_in_turns(UserView.of(user) for user in page))


@post(USERS, opt=OPERATE, tags=["Operators"], status_code=201)
async def create_user(ctx: Ctx, tenant_id: FromPath[int], data: JSONBody[CreateUser]) -> UserView:
    """Create a user who logs in with an e-mail address and a password. Only a digest of the password is stored.

    The address must be unique among the users of all tenants: 409.
    """
    email, digest = require_valid_email(data.email), await _hash_password(ctx, data.password)
    user = await ctx.write(lambda tx: user_service.register_user(tx, tenant_id, email, data.role, digest, ctx.now()))
    return UserView.of(user)


@put(f"{USER}/password", opt=OPERATE, tags=["Operators"], status_code=204)
async def set_user_password(
    ctx: Ctx, tenant_id: FromPath[int], user_id: FromPath[int], data: JSONBody[SetPassword]
) -> None:
    """Replace the password of a user, and end its logins.

    When the answer arrives, no server process accepts the old logins. That takes a second.
    """
    digest = await _hash_password(ctx, data.password)

    async def write(tx: Tx) -> None:
        await user_service.replace_password(tx, await users.get_of_client(tx, tenant_id, user_id), digest)

    await ctx.write(write)
    await wait_until_caches_expire()


@delete(USER, opt=OPERATE, tags=["Operators"])
async def delete_user(ctx: Ctx, tenant_id: FromPath[int], user_id: FromPath[int]) -> None:
    """Delete a user, and end its logins. A user who owns API keys, or is the only one, cannot be deleted: 409.

    When the answer arrives, no server process accepts the logins. That takes a second.
    """

    async def write(tx: Tx) -> None:
        await user_service.remove_user(tx, await users.get_of_client(tx, tenant_id, user_id))

    await ctx.write(write)
    await wait_until_caches_expire()


@get(KEYS, opt=OPERATE, tags=["Operators"])
async def list_keys(ctx: Ctx, tenant_id: FromPath[int], limit: Limit = 100, offset: Offset = 0) -> Page[KeyView]:
    """List the API keys of a tenant, oldest first, revoked and expired ones included. Tokens are not stored."""
    async with ctx.db.scan() as tx:
        await clients.get(tx, tenant_id)
        count, page = await api_keys.page(tx, tenant_id, limit=limit, offset=offset)
    return Page(count=count, results=await build_in_turns(KeyView.of(key) for key in page))


@post(KEYS, opt=OPERATE, tags=["Operators"], status_code=201)
async def create_key(ctx: Ctx, tenant_id: FromPath[int], data: JSONBody[CreateKey]) -> KeyWithToken:
    """Create an API key of a tenant. The answer has its token, which cannot be shown again.

    `pileus operators create` creates keys of operators.
    """
    expires_at = parse_expiry(data.expires_at, ctx.now())
    key, token = await ctx.write(
        lambda tx: api_key_service.create_api_key(tx, tenant_id, data.name, data.role, expires_at, ctx.now())
    )
    return KeyWithToken.with_token(key, token)


@post(f"{KEY}/rotate", opt=OPERATE, tags=["Operators"], status_code=200)
async def rotate_key(
    ctx: Ctx, tenant_id: FromPath[int], key_id: FromPath[int], data: JSONBody[RotateKey]
) -> KeyWithToken:
    """Replace the token of a key. The answer has the new one, which cannot be shown again.

    The old token is valid for `grace_seconds` more. Without it, no server process accepts the old token when the answer
    arrives, which takes a second. A revoked or expired key cannot be rotated: 409.
    """
    expires_at, grace = parse_expiry(data.expires_at, ctx.now()), data.grace_seconds * SECOND
    key, token = await ctx.write(
        lambda tx: api_key_service.rotate_api_key(
            tx, tenant_id, key_id, grace=grace, expires_at=expires_at, now=ctx.now()
        )
    )
    if not grace:
        await wait_until_caches_expire()
    return KeyWithToken.with_token(key, token)


@delete(KEY, opt=OPERATE, tags=["Operators"])
async def revoke_key(ctx: Ctx, tenant_id: FromPath[int], key_id: FromPath[int]) -> None:
    """Revoke a key. It stays in the list, and cannot be used again.

    When the answer arrives, no server process accepts the key. That takes a second.
    """
    await ctx.write(lambda tx: api_key_service.revoke_api_key(tx, tenant_id, key_id, ctx.now()))
    await wait_until_caches_expire()


async def _hash_password(ctx: Ctx, password: str) -> str:
    from pileus.services.account import passwords  # noqa: PLC0415  # it takes long to load

    async with ctx.app.login_limits.turn:
        return await asyncio.to_thread(passwords.hash_password, password)


ROUTES = [
    list_tenants, create_tenant, get_tenant, update_tenant, suspend_tenant, resume_tenant, delete_tenant, list_users,
    create_user, set_user_password, delete_user, list_keys, create_key, rotate_key, revoke_key,
]  # fmt: skip
