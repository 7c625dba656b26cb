"""Create, share and delete SSH keys."""

from msgspec.structs import replace

from pileus.domain.account.user_actions import AuditEntry
from pileus.domain.compute.ssh_keys import SSHKey, md5_fingerprint
from pileus.domain.context import Context
from pileus.domain.places import Place
from pileus.services.account.quotas import check_global_quotas
from pileus.services.account.user_actions import write_audit_entry
from pileus.store.account import account_revisions, projects
from pileus.store.compute import ssh_keys
from pileus.store.database import Tx


async def create_ssh_key(
    tx: Tx, ctx: Context, place: Place, name: str, public_key: str | None, *, shared: bool
) -> tuple[SSHKey, str | None]:
    """Save a public key in the project of `place`; without `public_key`, generate a key pair.

    Returns the private key of a generated pair too; it is not saved. Raises Invalid, NotFound, Conflict or
    QuotaExceeded.
    """
    private_key, public_key = _key_pair(public_key)
    key = SSHKey(
        id=ctx.new_id(),
        client_id=place.client_id,
        project_id=place.project_id,
        user_id=ctx.caller.user_id,
        name=name,
        public_key=public_key,
        fingerprint=md5_fingerprint(public_key),
        shared_in_project=shared,
        created_at=ctx.now(),
    )
    await projects.require_active(tx, place)
    await ssh_keys.check_name_free(tx, place, key.name)
    await check_global_quotas(tx, ctx, {"keypair_count": 1})
    await ssh_keys.add(tx, key)
    await account_revisions.bump(tx, key.client_id)
    await write_audit_entry(tx, ctx, AuditEntry("ssh_key", "create", key.id, name=key.name))
    return key, private_key


async def set_ssh_key_sharing(tx: Tx, ctx: Context, key_id: str, *, shared: bool) -> SSHKey:
    """Share a key with its project, or restrict it to its owner. Raises NotFound."""
    existing = await ssh_keys.get(tx, ctx.place, ctx.caller.user_id, key_id)
    key = await ssh_keys.save(tx, existing, replace(existing, shared_in_project=shared))
    await account_revisions.bump(tx, key.client_id)
    await write_audit_entry(tx, ctx, AuditEntry("ssh_key", "update", key_id, {"shared_in_project": shared}, key.name))
    return key


async def delete_ssh_key(tx: Tx, ctx: Context, key_id: str) -> None:
    """Delete a key. Raises NotFound."""
    key = await ssh_keys.get(tx, ctx.place, ctx.caller.user_id, key_id)
    await ssh_keys.remove(tx, key.id)
    await account_revisions.bump(tx, key.client_id)
    await write_audit_entry(tx, ctx, AuditEntry("ssh_key", "delete", key.id, name=key.name))


def _key_pair(public_key: str | None) -> tuple[str | None, str]:
    if public_key is not None:
        return None, public_key.strip()
    from pileus.services.compute.key_pairs import generate_key_pair  # noqa: PLC0415  # slow to load, seldom needed

    return generate_key_pair()
