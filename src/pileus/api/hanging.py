"""Hanging a volume on an instance, and letting go of its snapshots: what is written before the task that does it."""

from pileus.api.call import Call
from pileus.domain.storage.attaching import hung
from pileus.domain.storage.volumes import Attachment, Volume, going
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.storage import attachments, snapshots


async def hang(tx: Tx, call: Call, volume: Volume, instance_id: str, tag: str | None, task_id: str) -> Attachment:  # noqa: PLR0913, PLR0917  # each is a fact of its own
    """Write a volume's place on an instance, which the task holds from now on; raises what stands in the way."""
    instance = await instances.get(tx, call.place, instance_id)
    flavor = call.cloud.catalogue.flavor(instance.flavor_id)
    attachment = hung(
        volume,
        instance,
        await attachments.of_instance(tx, instance_id),
        shared=flavor is not None and flavor.basic,
        tag=tag,
        new_id=call.cloud.new_id(),
        now=call.cloud.now(),
    )
    await instances.save(tx, instance, instance.locked(task_id))
    return await attachments.add(tx, attachment)


async def doom_snapshots(tx: Tx, call: Call, volume_id: str, named: list[str], task_id: str) -> None:
    """Let the task that deletes a volume hold its snapshots too; raises Invalid if one that is named is not its."""
    before = await snapshots.of_volume(tx, volume_id)
    for old, new in zip(before, going(before, named, task_id, call.cloud.now()), strict=True):
        await snapshots.save(tx, old, new)
