"""Routes of SSH keys."""

from typing import Literal

from litestar import delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody

from pileus.api.authorization import READ, WRITE
from pileus.api.context import Ctx
from pileus.api.paging import Limit, Offset
from pileus.api.wire.compute.ssh_key_requests import CreateSSHKey, ShareSSHKey
from pileus.api.wire.compute.ssh_keys import CreatedSSHKeyView, SSHKeyView
from pileus.api.wire.paging import Page
from pileus.services.compute import ssh_keys as ssh_key_service
from pileus.store.account import projects
from pileus.store.compute import ssh_keys
from pileus.store.loop_turns import build_in_turns

ALL = "/cloud/v1/ssh_keys/{project_id:int}"
ONE = f"{ALL}/{{ssh_key_id:str}}"
SortOrder = Literal["created_at.asc", "created_at.desc", "name.asc", "name.desc"]


@get(ALL, opt=READ, tags=["SSH Keys"])
async def list_ssh_keys(
    ctx: Ctx,
    name: FromQuery[str | None] = None,
    order_by: FromQuery[SortOrder] = "created_at.desc",
    limit: Limit = 10,
    offset: Offset = 0,
) -> Page[SSHKeyView]:
    """List the SSH keys that are shared in a project, and your own.

    `name` matches a part of the name, ignoring case.
    """
    async with ctx.db.scan() as tx:
        place, user_id = await projects.require_existing(tx, ctx.place), ctx.caller.user_id
        count, page = await ssh_keys.page(tx, place, user_id, name=name, order_by=order_by, limit=limit, offset=offset)
    return Page(count=count, results=await build_in_turns(SSHKeyView.of(key) for key in page))


@post(ALL, opt=WRITE, tags=["SSH Keys"], status_code=201)
async def create_ssh_key(ctx: Ctx, data: JSONBody[CreateSSHKey]) -> CreatedSSHKeyView:
    """Save a public key, to create instances with.

    Without `public_key` the server generates an Ed25519 key pair; only this response contains its `private_key`. Only
    you can use a key that is not shared in the project.
    """
    key, private_key = await ctx.write(
        lambda tx: ssh_key_service.create_ssh_key(
            tx, ctx, ctx.place, data.name, data.public_key, shared=data.shared_in_project
        )
    )
    return CreatedSSHKeyView.with_private_key(key, private_key)


@get(ONE, opt=READ, tags=["SSH Keys"])
async def get_ssh_key(ctx: Ctx, ssh_key_id: FromPath[str]) -> SSHKeyView:
    """Get an SSH key."""
    async with ctx.db.read() as tx:
        return SSHKeyView.of(await ssh_keys.get(tx, ctx.place, ctx.caller.user_id, ssh_key_id))


@patch(ONE, opt=WRITE, tags=["SSH Keys"])
async def share_ssh_key(ctx: Ctx, ssh_key_id: FromPath[str], data: JSONBody[ShareSSHKey]) -> SSHKeyView:
    """Share an SSH key in its project, or restrict it to its owner."""
    key = await ctx.write(
        lambda tx: ssh_key_service.set_ssh_key_sharing(tx, ctx, ssh_key_id, shared=data.shared_in_project)
    )
    return SSHKeyView.of(key)


@delete(ONE, opt=WRITE, tags=["SSH Keys"], status_code=204)
async def delete_ssh_key(ctx: Ctx, ssh_key_id: FromPath[str]) -> None:
    """Delete an SSH key. Instances that were created with it still accept it."""
    await ctx.write(lambda tx: ssh_key_service.delete_ssh_key(tx, ctx, ssh_key_id))


ROUTES = [list_ssh_keys, create_ssh_key, get_ssh_key, share_ssh_key, delete_ssh_key]
