"""What a machine may know of itself while it runs: its name and its tags, as its record has them now."""

import logging

from pileus.drivers.protocols.compute import Compute, DriverError
from pileus.drivers.protocols.guests import Description, MachineMetadata
from pileus.store import tags
from pileus.store.compute import instances
from pileus.store.database import Database, Tx

LOG = logging.getLogger(__name__)


async def push_metadata(db: Database, driver: Compute, instance_id: str) -> None:
    """Let a machine know, where it can; one that cannot be reached is told by the reconciler later."""
    if not isinstance(driver, MachineMetadata):
        return
    async with db.read() as tx:
        description = await metadata_of(tx, instance_id)
    if description is None:
        return
    try:
        await driver.ensure_metadata(instance_id, description)
    except DriverError:
        LOG.exception("A machine could not be told its name and tags", extra={"machine_id": instance_id})


async def metadata_of(tx: Tx, instance_id: str) -> Description | None:
    """The name and tags of an instance; None without it."""
    name = await instances.name_of(tx, instance_id)
    if name is None:
        return None
    return Description(name=name, tags=await tags_of(tx, instance_id))


async def tags_of(tx: Tx, instance_id: str) -> dict[str, str]:
    """The tags of an instance, read-only ones too."""
    return {key: tag.value for key, tag in sorted((await tags.of(tx, instance_id)).items())}
