"""Keeping, sharing and forgetting SSH keys, by whichever of their names a client calls them."""

from msgspec.structs import replace

from pileus.api.context import RequestContext
from pileus.domain.compute.ssh_keys import SSHKey, fingerprint
from pileus.domain.places import Place
from pileus.services.account.request_quotas import check_global_quotas
from pileus.store.account import projects
from pileus.store.compute import ssh_keys
from pileus.store.database import Tx


async def create_ssh_key(
    ctx: RequestContext, place: Place, name: str, public_key: str | None, *, shared: bool
) -> tuple[SSHKey, str | None]:
    """Keep a key in a place's project, and tell the private half of a pair that was made for it.

    Raises Invalid, NotFound, Conflict or QuotaExceeded.
    """
    private, public = _halves(public_key)
    key = SSHKey(
        id=ctx.new_id(),
        client_id=place.client_id,
        project_id=place.project_id,
        user_id=ctx.caller.user_id,
        name=name,
        public_key=public,
        fingerprint=fingerprint(public),
        shared_in_project=shared,
        created_at=ctx.now(),
    )

    async def write(tx: Tx) -> None:
        await projects.require_open(tx, place)
        await ssh_keys.name_free(tx, place, key.name)
        await check_global_quotas(tx, ctx, {"keypair_count": 1})
        await ssh_keys.add(tx, key)
        await ctx.audit(tx, "ssh_key", "create", key.id, name=key.name)

    await ctx.db.write(write)
    return key, private


async def set_ssh_key_sharing(ctx: RequestContext, key_id: str, *, shared: bool) -> SSHKey:
    """Share a key in its project, or keep it for its owner alone; raises NotFound."""

    async def write(tx: Tx) -> SSHKey:
        before = await ssh_keys.get(tx, ctx.place, ctx.caller.user_id, key_id)
        after = await ssh_keys.save(tx, before, replace(before, shared_in_project=shared))
        await ctx.audit(tx, "ssh_key", "update", before.id, data={"shared_in_project": shared}, name=before.name)
        return after

    return await ctx.db.write(write)


async def delete_ssh_key(ctx: RequestContext, key_id: str) -> None:
    """Delete a key; raises NotFound."""

    async def write(tx: Tx) -> None:
        key = await ssh_keys.get(tx, ctx.place, ctx.caller.user_id, key_id)
        await ssh_keys.remove(tx, key.id)
        await ctx.audit(tx, "ssh_key", "delete", key.id, name=key.name)

    await ctx.db.write(write)


def _halves(public_key: str | None) -> tuple[str | None, str]:
    if public_key is not None:
        return None, public_key.strip()
    from pileus.services.compute.rsa_key_pairs import generate_key_pair  # noqa: PLC0415  # no start of the server waits for what few requests need

    return generate_key_pair()
