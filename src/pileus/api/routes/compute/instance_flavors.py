"""Changing the flavor of an instance."""

from litestar import post
from litestar.params import FromPath, JSONBody

from pileus.api.auth import WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.wire.compute.flavors import ChangeFlavor
from pileus.api.wire.tasks import TaskIds
from pileus.domain.compute import flavor_changes
from pileus.domain.compute.flavors import Flavor
from pileus.domain.compute.instances import Instance
from pileus.services.account.request_quotas import check_quotas
from pileus.services.compute.capacities import check_capacity
from pileus.store.compute import images, instances
from pileus.store.database import Tx
from pileus.store.storage import attachments

ONE = "/cloud/v1/instances/{project_id:int}/{region_id:int}/{instance_id:str}"


@post(f"{ONE}/changeflavor", opt=WRITE, status_code=200, tags=["Instances"])
async def change_flavor(ctx: Ctx, instance_id: FromPath[str], data: JSONBody[ChangeFlavor]) -> TaskIds:
    """Give an instance another flavor of its kind: it must be active or shut off, and is so again in the end.

    The flavor must have what the image that the instance boots from needs. Meanwhile the status is `RESIZE`. Bare metal
    servers cannot be resized.
    """
    task_id = ctx.new_id()

    async def write(tx: Tx) -> None:
        before = (await instances.get(tx, ctx.place, instance_id)).require_unlocked()
        flavor = flavor_changes.check_flavor_change(
            before, ctx.catalogue.offered_flavor(data.flavor_id), data.flavor_id
        )
        after = before.resizing(flavor.id, task_id, ctx.now())
        await _check(tx, ctx, before, flavor)
        await _afford(tx, ctx, before, flavor)
        await instances.save(tx, before, after)
        shown = {"instance_id": instance_id, "flavor_id": flavor.id}
        args = {"instance_id": instance_id, "before": before.status, "flavor_id": before.flavor_id}
        await ctx.start_task(tx, "resize_vm", task_id, args, data=shown)
        await ctx.audit(tx, "instance", "resize", instance_id, data={"flavor_id": flavor.id}, task_id=task_id)

    await ctx.db.write(write)
    ctx.app.wake_engine()
    return TaskIds(tasks=[task_id])


async def _check(tx: Tx, ctx: RequestContext, instance: Instance, flavor: Flavor) -> None:
    """Hold the flavor against what boots on it and what there is room for; raises Invalid or NoCapacity."""
    volume = await attachments.boot_volume(tx, instance.id)
    image = await images.find(tx, volume.image_id) if volume and volume.image_id else None
    template = ctx.catalogue.app_template(volume.apptemplate_id or "") if volume else None
    flavor_changes.check_flavor_fits_image(flavor, image, template)
    await check_capacity(tx, ctx, flavor, but=instance.id)


async def _afford(tx: Tx, ctx: RequestContext, instance: Instance, flavor: Flavor) -> None:
    """Hold what the flavor needs more against the tenant's quotas; raises QuotaExceeded."""
    catalogue = ctx.catalogue
    more = flavor_changes.quota_growth(catalogue.flavor(instance.flavor_id), flavor)
    await check_quotas(tx, ctx, more)


ROUTES = [change_flavor]
