"""SSH keys as older clients know them: of a project, or of all projects together. Use `ssh_keys` instead."""

from litestar import delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec.structs import replace

from pileus.api.auth import READ, WRITE
from pileus.api.context import Ctx
from pileus.api.wire.compute.keypairs import CreateKeypair, CreateKeypairInProject, KeypairView
from pileus.api.wire.compute.ssh_keys import ShareSSHKey
from pileus.api.wire.paging import Page
from pileus.services.compute.ssh_keys import create_ssh_key, delete_ssh_key, set_ssh_key_sharing
from pileus.store.account import projects
from pileus.store.compute import ssh_keys

ANYWHERE = "/cloud/v2/keypairs"
HERE = "/cloud/v1/keypairs/{project_id:int}/{region_id:int}"


@post(ANYWHERE, opt=WRITE, status_code=200, deprecated=True, tags=["SSH Keys"])
async def create_keypair(ctx: Ctx, data: JSONBody[CreateKeypairInProject]) -> KeypairView:
    """Keep a public key in a project, or make a pair, whose `private_key` is in this answer and nowhere else."""
    place, shared = replace(ctx.place, project_id=data.project_id), data.shared_in_project is not False
    return KeypairView.of(*await create_ssh_key(ctx, place, data.sshkey_name, data.public_key, shared=shared))


@get(ANYWHERE, opt=READ, deprecated=True, tags=["SSH Keys"])
async def list_keypairs(
    ctx: Ctx, project_id: FromQuery[int | None] = None, user_id: FromQuery[int | None] = None
) -> Page[KeypairView]:
    """List the keys that are shared in your projects, and your own; those of one project or user, if named."""
    async with ctx.db.scan() as tx:
        if project_id is not None:
            await projects.get(tx, ctx.place.client_id, project_id)
        found = await ssh_keys.page_all_projects(tx, ctx.caller, project_id=project_id, user_id=user_id)
    return Page(count=len(found), results=[KeypairView.of(key) for key in found])


@get(f"{ANYWHERE}/{{keypair_id:str}}", opt=READ, deprecated=True, tags=["SSH Keys"])
async def get_keypair(ctx: Ctx, keypair_id: FromPath[str]) -> KeypairView:
    """Show a key, whichever of your projects it is in."""
    async with ctx.db.read() as tx:
        return KeypairView.of(await ssh_keys.get_in_any_project(tx, ctx.caller, keypair_id))


@delete(f"{ANYWHERE}/{{keypair_id:str}}", opt=WRITE, status_code=204, deprecated=True, tags=["SSH Keys"])
async def delete_keypair(ctx: Ctx, keypair_id: FromPath[str]) -> None:
    """Delete a key, whichever of your projects it is in."""
    async with ctx.db.read() as tx:
        key = await ssh_keys.get_in_any_project(tx, ctx.caller, keypair_id)
    ctx.place = replace(ctx.place, project_id=key.project_id)
    await delete_ssh_key(ctx, keypair_id)


@post(HERE, opt=WRITE, status_code=200, deprecated=True, tags=["SSH Keys"])
async def create_keypair_here(ctx: Ctx, data: JSONBody[CreateKeypair]) -> KeypairView:
    """Keep a public key in a project, or make a pair, whose `private_key` is in this answer and nowhere else."""
    ctx.region()
    shared = data.shared_in_project is not False
    return KeypairView.of(*await create_ssh_key(ctx, ctx.place, data.sshkey_name, data.public_key, shared=shared))


@get(HERE, opt=READ, deprecated=True, tags=["SSH Keys"])
async def list_keypairs_here(ctx: Ctx) -> Page[KeypairView]:
    """List the keys that are shared in a project, and your own."""
    ctx.region()
    async with ctx.db.scan() as tx:
        place = await projects.require(tx, ctx.place)
        found = await ssh_keys.page_all_projects(tx, ctx.caller, project_id=place.project_id, user_id=None)
    return Page(count=len(found), results=[KeypairView.of(key) for key in found])


@get(f"{HERE}/{{keypair_id:str}}", opt=READ, deprecated=True, tags=["SSH Keys"])
async def get_keypair_here(ctx: Ctx, keypair_id: FromPath[str]) -> KeypairView:
    """Show a key."""
    async with ctx.db.read() as tx:
        return KeypairView.of(await ssh_keys.get(tx, ctx.place, ctx.caller.user_id, keypair_id))


@delete(f"{HERE}/{{keypair_id:str}}", opt=WRITE, status_code=204, deprecated=True, tags=["SSH Keys"])
async def delete_keypair_here(ctx: Ctx, keypair_id: FromPath[str]) -> None:
    """Delete a key; servers that were made with it still open to it."""
    await delete_ssh_key(ctx, keypair_id)


@patch(f"{HERE}/{{keypair_id:str}}/share", opt=WRITE, deprecated=True, tags=["SSH Keys"])
async def share_keypair_here(ctx: Ctx, keypair_id: FromPath[str], data: JSONBody[ShareSSHKey]) -> KeypairView:
    """Share a key in its project, or keep it for its owner alone."""
    return KeypairView.of(await set_ssh_key_sharing(ctx, keypair_id, shared=data.shared_in_project))


ROUTES = [
    create_keypair, list_keypairs, get_keypair, delete_keypair, create_keypair_here, list_keypairs_here,
    get_keypair_here, delete_keypair_here, share_keypair_here,
]  # fmt: skip
