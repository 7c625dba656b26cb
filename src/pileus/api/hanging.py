"""Hanging a volume on an instance: what one transaction writes before the task that does it."""

from pileus.api.call import Call
from pileus.domain.attaching import hung
from pileus.domain.volumes import Attachment, Volume
from pileus.store import attachments, instances
from pileus.store.database import Tx


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
