"""Rebuild bare metal servers."""

from pileus.domain.account.user_actions import AuditEntry
from pileus.domain.compute.images import Image
from pileus.domain.compute.rebuilds import plan_rebuild, with_image_system_tags
from pileus.domain.compute.task_types import REBUILD_BAREMETAL, InstanceTaskArgs
from pileus.domain.context import Context
from pileus.domain.errors import NotFound, invalid
from pileus.domain.tags import Tags
from pileus.domain.tasks import Task
from pileus.services.tags import save_tags
from pileus.services.tasks import start_task
from pileus.store import tags
from pileus.store.compute import images, instances
from pileus.store.database import Tx


async def rebuild_baremetal_server(
    tx: Tx, ctx: Context, server_id: str, image_id: str | None, user_data: str | None, task_id: str
) -> Task:
    """Lock the server and start the task that installs an image, by default the server's present one.

    Raises NotFound, Invalid or Conflict.
    """
    existing = await instances.get_baremetal(tx, ctx.place, server_id)
    existing_tags = await tags.list_by_resource(tx, server_id)
    image = await _require_image(tx, ctx, image_id, existing_tags)
    flavor = ctx.catalogue.flavor(existing.flavor_id)
    rebuilding = plan_rebuild(existing, flavor, image, user_data, task_id, ctx.now())
    await images.lock_for_use(tx, image)
    await instances.save(tx, existing, rebuilding)
    image_tags = with_image_system_tags(existing_tags, image)
    await save_tags(tx, ctx, instances.KIND, server_id, existing_tags, image_tags)
    data = {"instance_id": server_id, "image_id": image.id}
    entry = AuditEntry("instance", "rebuild", server_id, {"image_id": image.id})
    args = InstanceTaskArgs(instance_id=server_id)
    return await start_task(tx, ctx, task_id, REBUILD_BAREMETAL, args, data=data, entry=entry)


async def _require_image(tx: Tx, ctx: Context, image_id: str | None, server_tags: Tags) -> Image:
    """Return the image with this id, else the one that the server's tags name.

    Raises NotFound, or Invalid if the server's present image no longer exists.
    """
    if image_id is not None:
        return await images.get(tx, ctx.place, image_id)
    try:
        return await images.get(tx, ctx.place, server_tags["image_id"].value)
    except (KeyError, NotFound):
        raise invalid(image_id="Field required: the image that was on the server is not there any more") from None
