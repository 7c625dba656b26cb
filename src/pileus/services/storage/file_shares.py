"""Create, update, extend and delete file shares."""

from typing import Any

from pileus.domain.account.user_actions import AuditEntry
from pileus.domain.compute.instance_orders import InterfaceType, NewInterface
from pileus.domain.context import Context
from pileus.domain.errors import Invalid
from pileus.domain.network.networks import Network, Subnet
from pileus.domain.storage.file_shares import (
    FileSharePatch,
    NewFileShare,
    check_type_offered,
    plan_access_rules,
    plan_file_share,
)
from pileus.domain.storage.task_types import (
    CREATE_FILE_SHARE,
    DELETE_FILE_SHARE,
    EXTEND_FILE_SHARE,
    UPDATE_FILE_SHARE,
    ExtendFileShareArgs,
    FileShareTaskArgs,
    UpdateFileShareArgs,
)
from pileus.domain.tags import check_tag_count, make_tags, merged_tags
from pileus.domain.tasks import Task
from pileus.services.account.quotas import check_quotas
from pileus.services.network.interface_subnets import resolve_network_and_subnets
from pileus.services.tags import add_tags
from pileus.services.tasks import start_task
from pileus.store import tags
from pileus.store.account import projects
from pileus.store.database import Tx
from pileus.store.network import addresses
from pileus.store.storage import file_shares

GROUP = "file_shares"
"""The group in the audit log."""


async def create_file_share(tx: Tx, ctx: Context, new: NewFileShare, tag_values: dict[str, str], task_id: str) -> Task:
    """Save a new file share with its rules, tags and address, and start the task that creates it.

    Raises NotFound, Invalid, Conflict, NoCapacity or QuotaExceeded.
    """
    check_type_offered(ctx.require_region(), new.type_name)
    await projects.require_active(tx, ctx.place)
    subnet = await _resolve_subnet(tx, ctx, new) if new.network_id else None
    share = plan_file_share(ctx.place, new, subnet, ctx.new_id(), task_id=task_id, now=ctx.now())
    await check_quotas(tx, ctx, {"sfs_count": 1, "sfs_size": share.size})
    await file_shares.add(tx, share)
    if subnet:
        await addresses.allocate(tx, subnet[1], file_share_id=share.id)
    rules = plan_access_rules(share, new.rules, [ctx.new_id() for _ in new.rules])
    await file_shares.add_rules(tx, rules)
    await add_tags(tx, ctx, file_shares.KIND, share.id, make_tags(tag_values.items()))
    audit_data: dict[str, Any] = {"name": share.name, "size": share.size, "type_name": share.type_name}
    entry = AuditEntry(GROUP, "create", share.id, audit_data)
    args, data = FileShareTaskArgs(file_share_id=share.id), {"file_share_id": share.id, **audit_data}
    return await start_task(tx, ctx, task_id, CREATE_FILE_SHARE, args, data=data, entry=entry)


async def update_file_share(
    tx: Tx, ctx: Context, share_id: str, patch: FileSharePatch, task_id: str, *, ignores_foreign_settings: bool = False
) -> Task:
    """Lock the file share and start the task that applies a merge patch. Raises NotFound, Conflict or Invalid.

    With `ignores_foreign_settings`, settings that its type does not have are no error.
    """
    share = await file_shares.get(tx, ctx.place, share_id)
    if ignores_foreign_settings and share.share_settings is None:
        patch.pop("share_settings", None)
    share.require_available("update").patched_by(patch, ctx.now())
    existing_tags = await tags.list_by_resource(tx, share_id)
    check_tag_count(existing_tags, merged_tags(existing_tags, patch.get("tags", {})), ctx.tag_limit)
    await file_shares.save(tx, share, share.locked(task_id))
    args = UpdateFileShareArgs(file_share_id=share_id, patch=patch)
    entry = AuditEntry(GROUP, "update", share_id, dict(patch), name=patch.get("name", share.name))
    return await start_task(tx, ctx, task_id, UPDATE_FILE_SHARE, args, entry=entry)


async def extend_file_share(tx: Tx, ctx: Context, share_id: str, size: int, task_id: str) -> Task:
    """Lock the file share and start the task that extends it to `size` GiB; the quota counts the new size at once.

    Raises NotFound, Conflict, Invalid or QuotaExceeded.
    """
    share = await file_shares.get(tx, ctx.place, share_id)
    extending = share.extending(size, task_id, ctx.now())
    await check_quotas(tx, ctx, {"sfs_size": size - share.size})
    await file_shares.save(tx, share, extending)
    args = ExtendFileShareArgs(file_share_id=share_id, size=share.size)
    data = {"file_share_id": share_id, "size": size}
    entry = AuditEntry(GROUP, "resize", share_id, data, name=share.name)
    return await start_task(tx, ctx, task_id, EXTEND_FILE_SHARE, args, data=data, entry=entry)


async def delete_file_share(tx: Tx, ctx: Context, share_id: str, task_id: str) -> Task:
    """Lock the file share and start the task that deletes it. Raises NotFound or Conflict."""
    share = await file_shares.get(tx, ctx.place, share_id)
    await file_shares.save(tx, share, share.deleting(task_id, ctx.now()))
    entry = AuditEntry(GROUP, "delete", share_id, name=share.name)
    return await start_task(tx, ctx, task_id, DELETE_FILE_SHARE, FileShareTaskArgs(file_share_id=share_id), entry=entry)


async def _resolve_subnet(tx: Tx, ctx: Context, new: NewFileShare) -> tuple[Network, Subnet]:
    """Return the private network and the subnet of a new file share. Raises NotFound, Invalid or Conflict."""
    kind = InterfaceType.SUBNET if new.subnet_id else InterfaceType.ANY_SUBNET
    interface = NewInterface(type=kind, network_id=new.network_id, subnet_id=new.subnet_id, ip_family="ipv4")
    network, subnets = await resolve_network_and_subnets(tx, ctx, interface)
    if network.external:
        raise Invalid(f"Network {network.id} is external: a file share needs a private network")
    return network, subnets[0]
