"""The name and tags that a running machine can read about itself."""

import logging

from pileus.drivers.protocols.compute import Compute
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.guests import MachineMetadata, SupportsMachineMetadata
from pileus.store import tags
from pileus.store.compute import instances
from pileus.store.database import Database, Tx

LOG = logging.getLogger(__name__)


async def push_metadata(db: Database, driver: Compute, instance_id: str) -> None:
    """Send a machine its current metadata; if it cannot be reached, the reconciler does so later."""
    if not isinstance(driver, SupportsMachineMetadata):
        return
    async with db.read() as tx:
        metadata = await load_metadata(tx, instance_id)
    if metadata is None:
        return
    try:
        await driver.ensure_machine_metadata(instance_id, metadata)
    except DriverError:
        LOG.exception("Metadata could not be sent to a machine", extra={"machine_id": instance_id})


async def load_metadata(tx: Tx, instance_id: str) -> MachineMetadata | None:
    """Return the name and tags of an instance, or None if it does not exist."""
    name = await instances.find_name(tx, instance_id)
    if name is None:
        return None
    return MachineMetadata(name=name, tags=await load_tags(tx, instance_id))


async def load_tags(tx: Tx, instance_id: str) -> dict[str, str]:
    """Return the tags of an instance, read-only ones included, sorted by key."""
    return {key: tag.value for key, tag in sorted((await tags.list_by_resource(tx, instance_id)).items())}
