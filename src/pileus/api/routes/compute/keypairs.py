"""SSH keys as older clients know them: of a project, or of all projects together. Use `ssh_keys` instead."""

from litestar import delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec.structs import replace

from pileus.api.auth import READ, WRITE
from pileus.api.context import Context
from pileus.api.keeping import create_ssh_key, delete_ssh_key, set_ssh_key_sharing
from pileus.api.wire.compute.keypairs import CreateKeypair, CreateKeypairInProject, KeypairView
from pileus.api.wire.compute.ssh_keys import ShareSSHKey
from pileus.api.wire.paging import Page
from pileus.store.account import projects
from pileus.store.compute import ssh_keys

ANYWHERE = "/cloud/v2/keypairs"
HERE = "/cloud/v1/keypairs/{project_id:int}/{region_id:int}"


@post(ANYWHERE, opt=WRITE, status_code=200, deprecated=True, tags=["SSH Keys"])
async def create_keypair(call: Context, data: JSONBody[CreateKeypairInProject]) -> KeypairView:
    """Keep a public key in a project, or make a pair, whose `private_key` is in this answer and nowhere else."""
    place, shared = replace(call.place, project_id=data.project_id), data.shared_in_project is not False
    return KeypairView.of(*await create_ssh_key(call, place, data.sshkey_name, data.public_key, shared=shared))


@get(ANYWHERE, opt=READ, deprecated=True, tags=["SSH Keys"])
async def list_keypairs(
    call: Context, project_id: FromQuery[int | None] = None, user_id: FromQuery[int | None] = None
) -> Page[KeypairView]:
    """List the keys that are shared in your projects, and your own; those of one project or user, if named."""
    async with call.db.scan() as tx:
        if project_id is not None:
            await projects.get(tx, call.place.client_id, project_id)
        found = await ssh_keys.page_all_projects(tx, call.caller, project_id=project_id, user_id=user_id)
    return Page(count=len(found), results=[KeypairView.of(key) for key in found])


@get(f"{ANYWHERE}/{{keypair_id:str}}", opt=READ, deprecated=True, tags=["SSH Keys"])
async def get_keypair(call: Context, keypair_id: FromPath[str]) -> KeypairView:
    """Show a key, whichever of your projects it is in."""
    async with call.db.read() as tx:
        return KeypairView.of(await ssh_keys.get_in_any_project(tx, call.caller, keypair_id))


@delete(f"{ANYWHERE}/{{keypair_id:str}}", opt=WRITE, status_code=204, deprecated=True, tags=["SSH Keys"])
async def delete_keypair(call: Context, keypair_id: FromPath[str]) -> None:
    """Delete a key, whichever of your projects it is in."""
    async with call.db.read() as tx:
        key = await ssh_keys.get_in_any_project(tx, call.caller, keypair_id)
    call.place = replace(call.place, project_id=key.project_id)
    await delete_ssh_key(call, keypair_id)


@post(HERE, opt=WRITE, status_code=200, deprecated=True, tags=["SSH Keys"])
async def create_keypair_here(call: Context, data: JSONBody[CreateKeypair]) -> KeypairView:
    """Keep a public key in a project, or make a pair, whose `private_key` is in this answer and nowhere else."""
    call.region()
    shared = data.shared_in_project is not False
    return KeypairView.of(*await create_ssh_key(call, call.place, data.sshkey_name, data.public_key, shared=shared))


@get(HERE, opt=READ, deprecated=True, tags=["SSH Keys"])
async def list_keypairs_here(call: Context) -> Page[KeypairView]:
    """List the keys that are shared in a project, and your own."""
    call.region()
    async with call.db.scan() as tx:
        place = await projects.require(tx, call.place)
        found = await ssh_keys.page_all_projects(tx, call.caller, project_id=place.project_id, user_id=None)
    return Page(count=len(found), results=[KeypairView.of(key) for key in found])


@get(f"{HERE}/{{keypair_id:str}}", opt=READ, deprecated=True, tags=["SSH Keys"])
async def get_keypair_here(call: Context, keypair_id: FromPath[str]) -> KeypairView:
    """Show a key."""
    async with call.db.read() as tx:
        return KeypairView.of(await ssh_keys.get(tx, call.place, call.caller.user_id, keypair_id))


@delete(f"{HERE}/{{keypair_id:str}}", opt=WRITE, status_code=204, deprecated=True, tags=["SSH Keys"])
async def delete_keypair_here(call: Context, keypair_id: FromPath[str]) -> None:
    """Delete a key; servers that were made with it still open to it."""
    await delete_ssh_key(call, keypair_id)


@patch(f"{HERE}/{{keypair_id:str}}/share", opt=WRITE, deprecated=True, tags=["SSH Keys"])
async def share_keypair_here(call: Context, keypair_id: FromPath[str], data: JSONBody[ShareSSHKey]) -> KeypairView:
    """Share a key in its project, or keep it for its owner alone."""
    return KeypairView.of(await set_ssh_key_sharing(call, keypair_id, shared=data.shared_in_project))


ROUTES = [
    create_keypair, list_keypairs, get_keypair, delete_keypair, create_keypair_here, list_keypairs_here,
    get_keypair_here, delete_keypair_here, share_keypair_here,
]  # fmt: skip
