"""Update instances."""

from collections.abc import Awaitable, Callable, Mapping

from msgspec.structs import replace

from pileus.domain.account.user_actions import AuditEntry
from pileus.domain.compute.instance_details import InstanceDetails
from pileus.domain.compute.instances import Instance
from pileus.domain.context import Context
from pileus.domain.patches import ResourcePatch
from pileus.domain.places import Place
from pileus.domain.tags import merged_tags
from pileus.services.account.user_actions import write_audit_entry
from pileus.services.tags import save_tags
from pileus.store.compute import instances
from pileus.store.compute.instance_cache import InstanceState
from pileus.store.database import Tx

GetInstance = Callable[[Tx, Place, str], Awaitable[Instance]]
"""Looks up an instance: of any kind, or only a bare metal server."""


GetForChange = Callable[[Tx, Place, str], Awaitable[InstanceState]]
"""Looks up an instance with its details, and locks it until the transaction ends."""


async def update_instance(
    tx: Tx, ctx: Context, instance_id: str, patch: ResourcePatch, get: GetForChange
) -> InstanceState:
    """Apply a merge patch to the name and the tags of an instance. Raises NotFound or Conflict."""
    existing = await get(tx, ctx.place, instance_id)
    instance, details = existing.instance.patched(patch), existing.details
    if "tags" in patch:
        details = await _patch_tags(tx, ctx, instance_id, details, patch["tags"])
    instance = await instances.save(tx, existing.instance, instance, is_locked=True)
    if details != existing.details:
        instance = replace(instance, stamp=tx.stamp)
    await write_audit_entry(tx, ctx, AuditEntry("instance", "update", instance_id, dict(patch)))
    return InstanceState(instance, details)


async def _patch_tags(
    tx: Tx, ctx: Context, instance_id: str, details: InstanceDetails, patch: Mapping[str, str | None] | None
) -> InstanceDetails:
    existing = {tag.key: tag for tag in details.tags}
    patched = merged_tags(existing, patch)
    await save_tags(tx, ctx, instances.KIND, instance_id, existing, patched)
    return replace(details, tags=[patched[key] for key in sorted(patched)])
