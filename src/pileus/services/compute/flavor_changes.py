"""Change the flavor of instances."""

from pileus.domain.account.user_actions import AuditEntry
from pileus.domain.compute.flavor_changes import (
    quota_increases,
    require_allowed_flavor_change,
    require_flavor_fits_image,
)
from pileus.domain.compute.flavors import Flavor
from pileus.domain.compute.instances import Instance
from pileus.domain.compute.task_types import RESIZE_VM, ResizeInstanceArgs
from pileus.domain.context import Context
from pileus.domain.tasks import Task
from pileus.drivers.protocols.regions import RegionDrivers
from pileus.services.account.quotas import check_quotas
from pileus.services.compute.capacities import check_capacity
from pileus.services.tasks import start_task
from pileus.store.compute import images, instances
from pileus.store.database import Tx
from pileus.store.storage import attachments


async def change_instance_flavor(
    tx: Tx, ctx: Context, drivers: RegionDrivers, instance_id: str, flavor_id: str, task_id: str
) -> Task:
    """Lock the instance, give it the flavor and start the task that resizes the machine.

    Raises NotFound, Invalid, Conflict, NoCapacity or QuotaExceeded.
    """
    existing = (await instances.get(tx, ctx.place, instance_id)).require_unlocked()
    flavor = require_allowed_flavor_change(existing, ctx.catalogue.offered_flavor(flavor_id), flavor_id)
    resizing = existing.resizing(flavor.id, task_id, ctx.now())
    await _check_flavor_fits(tx, ctx, existing, flavor)
    await check_capacity(tx, ctx, drivers, flavor, resized_instance_id=instance_id)
    await check_quotas(tx, ctx, quota_increases(ctx.catalogue.flavor(existing.flavor_id), flavor))
    await instances.save(tx, existing, resizing)
    args = ResizeInstanceArgs(instance_id=instance_id, before=existing.status, flavor_id=existing.flavor_id)
    data = {"instance_id": instance_id, "flavor_id": flavor.id}
    entry = AuditEntry("instance", "resize", instance_id, {"flavor_id": flavor.id})
    return await start_task(tx, ctx, task_id, RESIZE_VM, args, data=data, entry=entry)


async def _check_flavor_fits(tx: Tx, ctx: Context, instance: Instance, flavor: Flavor) -> None:
    """Raise Invalid if the instance cannot boot its image or app template on the flavor."""
    volume = await attachments.find_boot_volume(tx, instance.id)
    image = await images.find(tx, volume.image_id) if volume and volume.image_id else None
    template = ctx.catalogue.app_template(volume.apptemplate_id or "") if volume else None
    require_flavor_fits_image(flavor, image, template)
