"""The name and tags that a running machine can read about itself."""

import logging
from collections.abc import Sequence

from pileus.drivers.protocols.compute import Compute
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.guests import MachineMetadata, SupportsMachineMetadata
from pileus.store import tags
from pileus.store.compute import instances
from pileus.store.database import Database, Tx

LOG = logging.getLogger(__name__)


async def push_metadata(db: Database, driver: Compute | None, instance_id: str) -> None:
    """Send a machine its current metadata; if it cannot be reached, the reconciler does so later.

    Nothing is sent without a driver that shows machines their metadata.
    """
    if not isinstance(driver, SupportsMachineMetadata):
        return
    async with db.read() as tx:
        metadata = (await load_metadata_by_instance(tx, [instance_id])).get(instance_id)
    if metadata is None:
        return
    try:
        await driver.ensure_machine_metadata(instance_id, metadata)
    except DriverError:
        LOG.exception("Metadata could not be sent to a machine", extra={"machine_id": instance_id})


async def load_metadata_by_instance(tx: Tx, instance_ids: Sequence[str]) -> dict[str, MachineMetadata]:
    """Return the name and tags of the instances that exist."""
    names = await instances.list_names(tx, instance_ids)
    tags_by_instance = await tags.list_by_resources(tx, list(names))
    return {
        instance_id: MachineMetadata(name=name, tags={tag.key: tag.value for tag in tags_by_instance[instance_id]})
        for instance_id, name in names.items()
    }


async def load_tags(tx: Tx, instance_id: str) -> dict[str, str]:
    """Return the tags of an instance, read-only ones included, sorted by key."""
    return {key: tag.value for key, tag in sorted((await tags.list_by_resource(tx, instance_id)).items())}
