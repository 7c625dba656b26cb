"""Deprecated routes of SSH keys: of all projects together, and of one project. Use those of `ssh_keys.py`."""

from litestar import delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec.structs import replace

from pileus.api.authorization import READ, WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.wire.compute.keypairs import KeypairView
from pileus.api.wire.compute.ssh_key_requests import CreateKeypair, CreateKeypairInProject, ShareSSHKey
from pileus.api.wire.paging import Page
from pileus.domain.places import Place
from pileus.services.compute import ssh_keys as ssh_key_service
from pileus.store.account import projects
from pileus.store.compute import ssh_keys

ALL = "/cloud/v2/keypairs"
ONE = f"{ALL}/{{keypair_id:str}}"
ALL_OF_PROJECT = "/cloud/v1/keypairs/{project_id:int}/{region_id:int}"
ONE_OF_PROJECT = f"{ALL_OF_PROJECT}/{{keypair_id:str}}"


@post(ALL, opt=WRITE, status_code=200, deprecated=True, tags=["SSH Keys"])
async def create_keypair(ctx: Ctx, data: JSONBody[CreateKeypairInProject]) -> KeypairView:
    """Save a public key in a project, or generate a key pair; only this response contains its `private_key`."""
    return await _create_keypair(ctx, replace(ctx.place, project_id=data.project_id), data)


@get(ALL, opt=READ, deprecated=True, tags=["SSH Keys"])
async def list_keypairs(
    ctx: Ctx, project_id: FromQuery[int | None] = None, user_id: FromQuery[int | None] = None
) -> Page[KeypairView]:
    """List the keys that are shared in your projects, and your own. Filter by project or user."""
    async with ctx.db.scan() as tx:
        if project_id is not None:
            await projects.get(tx, ctx.place.client_id, project_id)
        keys = await ssh_keys.list_in_all_projects(tx, ctx.caller, project_id=project_id, user_id=user_id)
    return Page(count=len(keys), results=[KeypairView.of(key) for key in keys])


@get(ONE, opt=READ, deprecated=True, tags=["SSH Keys"])
async def get_keypair(ctx: Ctx, keypair_id: FromPath[str]) -> KeypairView:
    """Get a key of any of your projects."""
    async with ctx.db.read() as tx:
        return KeypairView.of(await ssh_keys.get_in_any_project(tx, ctx.caller, keypair_id))


@delete(ONE, opt=WRITE, status_code=204, deprecated=True, tags=["SSH Keys"])
async def delete_keypair(ctx: Ctx, keypair_id: FromPath[str]) -> None:
    """Delete a key of any of your projects."""
    async with ctx.db.read() as tx:
        key = await ssh_keys.get_in_any_project(tx, ctx.caller, keypair_id)
    ctx.place = replace(ctx.place, project_id=key.project_id)
    await ctx.write(lambda tx: ssh_key_service.delete_ssh_key(tx, ctx, keypair_id))


@post(ALL_OF_PROJECT, opt=WRITE, status_code=200, deprecated=True, tags=["SSH Keys"])
async def create_keypair_here(ctx: Ctx, data: JSONBody[CreateKeypair]) -> KeypairView:
    """Save a public key in a project, or generate a key pair; only this response contains its `private_key`."""
    ctx.require_region()
    return await _create_keypair(ctx, ctx.place, data)


@get(ALL_OF_PROJECT, opt=READ, deprecated=True, tags=["SSH Keys"])
async def list_keypairs_here(ctx: Ctx) -> Page[KeypairView]:
    """List the keys that are shared in a project, and your own."""
    ctx.require_region()
    async with ctx.db.scan() as tx:
        place = await projects.require_existing(tx, ctx.place)
        keys = await ssh_keys.list_in_all_projects(tx, ctx.caller, project_id=place.project_id, user_id=None)
    return Page(count=len(keys), results=[KeypairView.of(key) for key in keys])


@get(ONE_OF_PROJECT, opt=READ, deprecated=True, tags=["SSH Keys"])
async def get_keypair_here(ctx: Ctx, keypair_id: FromPath[str]) -> KeypairView:
    """Get a key."""
    async with ctx.db.read() as tx:
        return KeypairView.of(await ssh_keys.get(tx, ctx.place, ctx.caller.user_id, keypair_id))


@delete(ONE_OF_PROJECT, opt=WRITE, status_code=204, deprecated=True, tags=["SSH Keys"])
async def delete_keypair_here(ctx: Ctx, keypair_id: FromPath[str]) -> None:
    """Delete a key. Instances that were created with it still accept it."""
    await ctx.write(lambda tx: ssh_key_service.delete_ssh_key(tx, ctx, keypair_id))


@patch(f"{ONE_OF_PROJECT}/share", opt=WRITE, deprecated=True, tags=["SSH Keys"])
async def share_keypair_here(ctx: Ctx, keypair_id: FromPath[str], data: JSONBody[ShareSSHKey]) -> KeypairView:
    """Share a key in its project, or restrict it to its owner."""
    key = await ctx.write(
        lambda tx: ssh_key_service.set_ssh_key_sharing(tx, ctx, keypair_id, shared=data.shared_in_project)
    )
    return KeypairView.of(key)


async def _create_keypair(ctx: RequestContext, place: Place, data: CreateKeypair) -> KeypairView:
    shared = data.shared_in_project is not False
    key, private_key = await ctx.write(
        lambda tx: ssh_key_service.create_ssh_key(tx, ctx, place, data.sshkey_name, data.public_key, shared=shared)
    )
    return KeypairView.of(key, private_key)


ROUTES = [
    create_keypair,
    list_keypairs,
    get_keypair,
    delete_keypair,
    create_keypair_here,
    list_keypairs_here,
    get_keypair_here,
    delete_keypair_here,
    share_keypair_here,
]
