"""Hanging a volume on an instance, and letting go of its snapshots: what is written before the task that does it."""

from pileus.api.context import RequestContext
from pileus.domain.storage.attachments import plan_attachment
from pileus.domain.storage.volumes import Attachment, Volume, snapshots_to_delete
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.storage import attachments, snapshots


async def attach_volume(  # noqa: PLR0913, PLR0917  # each is a fact of its own
    tx: Tx, ctx: RequestContext, volume: Volume, instance_id: str, tag: str | None, task_id: str
) -> Attachment:
    """Write a volume's place on an instance, which the task holds from now on; raises what stands in the way."""
    instance = await instances.get(tx, ctx.place, instance_id)
    flavor = ctx.catalogue.flavor(instance.flavor_id)
    attachment = plan_attachment(
        volume,
        instance,
        await attachments.of_instance(tx, instance_id),
        shared=flavor is not None and flavor.basic,
        tag=tag,
        new_id=ctx.new_id(),
        now=ctx.now(),
    )
    await instances.save(tx, instance, instance.locked(task_id))
    return await attachments.add(tx, attachment)


async def lock_snapshots_for_deletion(
    tx: Tx, ctx: RequestContext, volume_id: str, named: list[str], task_id: str
) -> None:
    """Let the task that deletes a volume hold its snapshots too; raises Invalid if one that is named is not its."""
    before = await snapshots.of_volume(tx, volume_id)
    for old, new in zip(before, snapshots_to_delete(before, named, task_id, ctx.now()), strict=True):
        await snapshots.save(tx, old, new)
