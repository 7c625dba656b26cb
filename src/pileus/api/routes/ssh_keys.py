"""SSH keys of a project: kept, made, shared and deleted."""

from typing import Literal

from litestar import delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec.structs import replace

from pileus.api.auth import READ, WRITE
from pileus.api.call import Call, Here
from pileus.api.paging import Limit, Offset
from pileus.api.wire.paging import Page
from pileus.api.wire.ssh_keys import CreatedSSHKeyView, CreateSSHKey, ShareSSHKey, SSHKeyView
from pileus.domain import limits
from pileus.domain.ssh_keys import SSHKey, fingerprint
from pileus.store import projects, ssh_keys
from pileus.store.database import Tx

ALL = "/cloud/v1/ssh_keys/{project_id:int}"
ONE = f"{ALL}/{{ssh_key_id:str}}"
Order = Literal["created_at.asc", "created_at.desc", "name.asc", "name.desc"]


@get(ALL, opt=READ, tags=["SSH Keys"])
async def list_ssh_keys(
    call: Here,
    name: FromQuery[str | None] = None,
    order_by: FromQuery[Order] = "created_at.desc",
    limit: Limit = 10,
    offset: Offset = 0,
) -> Page[SSHKeyView]:
    """List the keys that are shared in a project, and your own; `name` is a part of theirs, in letters of any case."""
    async with call.db.scan() as tx:
        place, user_id = await projects.present(tx, call.place), call.caller.user_id
        count, found = await ssh_keys.page(tx, place, user_id, name=name, order_by=order_by, limit=limit, offset=offset)
    return Page(count=count, results=[SSHKeyView.of(key) for key in found])


@post(ALL, opt=WRITE, tags=["SSH Keys"], status_code=201)
async def create_ssh_key(call: Here, data: JSONBody[CreateSSHKey]) -> CreatedSSHKeyView:
    """Keep a public key, for servers to be made with.

    Without `public_key` a pair is made: an Ed25519 key, whose `private_key` is in this answer and nowhere else. A key
    that is not shared in the project is there for you alone.
    """
    private, public = _halves(data)
    key = SSHKey(
        id=call.cloud.new_id(),
        client_id=call.caller.client_id,
        project_id=call.place.project_id,
        user_id=call.caller.user_id,
        name=data.name,
        public_key=public,
        fingerprint=fingerprint(public),
        shared_in_project=data.shared_in_project,
        created_at=call.cloud.now(),
    )
    await call.db.write(lambda tx: _added(tx, call, key))
    return CreatedSSHKeyView.made(key, private)


@get(ONE, opt=READ, tags=["SSH Keys"])
async def get_ssh_key(call: Here, ssh_key_id: FromPath[str]) -> SSHKeyView:
    """Show a key."""
    async with call.db.read() as tx:
        return SSHKeyView.of(await ssh_keys.get(tx, call.place, call.caller.user_id, ssh_key_id))


@patch(ONE, opt=WRITE, tags=["SSH Keys"])
async def share_ssh_key(call: Here, ssh_key_id: FromPath[str], data: JSONBody[ShareSSHKey]) -> SSHKeyView:
    """Share a key in its project, or keep it for its owner alone."""

    async def write(tx: Tx) -> SSHKeyView:
        before = await ssh_keys.get(tx, call.place, call.caller.user_id, ssh_key_id)
        after = await ssh_keys.save(tx, before, replace(before, shared_in_project=data.shared_in_project))
        change = {"shared_in_project": data.shared_in_project}
        await call.record(tx, "ssh_key", "update", before.id, data=change, name=before.name)
        return SSHKeyView.of(after)

    return await call.db.write(write)


@delete(ONE, opt=WRITE, tags=["SSH Keys"], status_code=204)
async def delete_ssh_key(call: Here, ssh_key_id: FromPath[str]) -> None:
    """Delete a key; servers that were made with it still open to it."""

    async def write(tx: Tx) -> None:
        key = await ssh_keys.get(tx, call.place, call.caller.user_id, ssh_key_id)
        await ssh_keys.remove(tx, key.id)
        await call.record(tx, "ssh_key", "delete", key.id, name=key.name)

    await call.db.write(write)


async def _added(tx: Tx, call: Call, key: SSHKey) -> None:
    place, quotas = await projects.open_for(tx, call.place), call.cloud.catalogue.quotas
    await ssh_keys.name_free(tx, place, key.name)
    limits.check(quotas, {"keypair_count": await ssh_keys.count(tx, key.client_id)}, {"keypair_count": 1})
    await ssh_keys.add(tx, key)
    await call.record(tx, "ssh_key", "create", key.id, name=key.name)


def _halves(data: CreateSSHKey) -> tuple[str | None, str]:
    if data.public_key is not None:
        return None, data.public_key.strip()
    from pileus.api.key_pairs import new_pair  # noqa: PLC0415  # no start of the server waits for what few requests need

    return new_pair()


ROUTES = [list_ssh_keys, create_ssh_key, get_ssh_key, share_ssh_key, delete_ssh_key]
