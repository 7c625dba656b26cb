"""What is written when an instance goes, whether it has lived or was never finished."""

from collections.abc import Collection

from msgspec.structs import replace

from pileus.domain.compute.instances import Instance, Status
from pileus.domain.storage.volumes import VolumeStatus
from pileus.services.network.interface_removal import remove_interface
from pileus.store import tags
from pileus.store.account import metering
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.network import ports
from pileus.store.storage import attachments, volumes


async def remove_instance_records(  # what goes with it, each kind by itself
    tx: Tx,
    instance: Instance,
    now: int,
    *,
    volume_ids: Collection[str],
    floating_ip_ids: Collection[str],
    port_ids: Collection[str],
) -> None:
    """Remove an instance with the volumes, floating IPs and reserved ports named; what else it had is free again."""
    lived = instance.status != Status.BUILD
    for attachment, volume in await attachments.with_volumes(tx, instance.id):
        await attachments.remove(tx, attachment.volume_id)
        if volume.id in volume_ids:
            await metering.close_usage(tx, [volume], now)
            await tags.remove(tx, volume.id)
            await volumes.remove(tx, volume.id)
        else:
            free = replace(volume, status=VolumeStatus.AVAILABLE.value, task_id=None, updated_at=now)
            await volumes.save(tx, volume, free)
    for port in await ports.of_instance(tx, instance.id):
        await remove_interface(tx, port, now, lost=floating_ip_ids, freed=port_ids, lived=lived)
    await metering.close_usage(tx, [instance], now)
    await tags.remove(tx, instance.id)
    await instances.remove(tx, instance.id)
