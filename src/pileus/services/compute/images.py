"""Create, download, update and delete images."""

from collections.abc import Mapping

from msgspec.structs import asdict, replace

from pileus.domain.account.user_actions import AuditEntry
from pileus.domain.compute.images import GIB, Image, ImagePatch, ImageStatus, NewImage
from pileus.domain.compute.task_types import (
    CREATE_IMAGE,
    DELETE_IMAGE,
    DOWNLOAD_IMAGE,
    CreateImageArgs,
    DeleteImageArgs,
)
from pileus.domain.context import Context
from pileus.domain.errors import Conflict
from pileus.domain.storage.volumes import Volume
from pileus.domain.tags import Tags, make_tags
from pileus.domain.tasks import Task
from pileus.services.account.quotas import check_quotas
from pileus.services.account.user_actions import write_audit_entry
from pileus.services.tags import add_tags, patch_tags
from pileus.services.tasks import start_task
from pileus.store.account import projects
from pileus.store.compute import images
from pileus.store.database import Tx
from pileus.store.storage import volumes


async def create_image_from_volume(tx: Tx, ctx: Context, spec: NewImage, volume_id: str, task_id: str) -> Task:
    """Lock the volume, save a new image and start the task that copies the volume to it.

    Raises NotFound, Conflict or QuotaExceeded.
    """
    ctx.require_region()
    await projects.require_active(tx, ctx.place)
    volume = await volumes.get(tx, ctx.place, volume_id)
    await volumes.save(tx, volume, volume.uploading_as_image(task_id, ctx.now()))
    image = await _with_volume_facts(tx, _new_image(ctx, spec, task_id), volume)
    await _add_image(tx, ctx, image, spec.tags)
    args = CreateImageArgs(image_id=image.id, volume_id=volume_id)
    audit_data = {"name": image.name, "volume_id": volume_id}
    entry = AuditEntry("image", "create", image.id, audit_data)
    return await start_task(
        tx, ctx, task_id, CREATE_IMAGE, args, data={"image_id": image.id, **audit_data}, entry=entry
    )


async def download_image(tx: Tx, ctx: Context, spec: NewImage, url: str, task_id: str) -> Task:
    """Save a new image and start the task that downloads it. Raises NotFound, Conflict or QuotaExceeded.

    Neither the task's data nor the audit log shows the URL: it can hold a secret.
    """
    ctx.require_region()
    await projects.require_active(tx, ctx.place)
    image = _new_image(ctx, spec, task_id)
    await _add_image(tx, ctx, image, spec.tags)
    args = CreateImageArgs(image_id=image.id, url=url)
    data = {"image_id": image.id, "name": image.name}
    entry = AuditEntry("image", "download", image.id, {"name": image.name})
    return await start_task(tx, ctx, task_id, DOWNLOAD_IMAGE, args, data=data, entry=entry)


async def update_image(tx: Tx, ctx: Context, image_id: str, patch: ImagePatch) -> tuple[Image, Tags]:
    """Apply a merge patch to an image of the project and to its tags. Raises NotFound, Forbidden or Conflict."""
    await images.get_own(tx, ctx.place, image_id)
    existing = await images.TABLE.lock(tx, image_id)
    image = await images.save(tx, existing, existing.patched(patch, ctx.now()))
    patched_tags = await patch_tags(tx, ctx, images.KIND, image_id, patch.get("tags", {}))
    await write_audit_entry(tx, ctx, AuditEntry("image", "update", image_id, dict(patch), image.name))
    return image, patched_tags


async def delete_image(tx: Tx, ctx: Context, image_id: str, task_id: str) -> Task:
    """Lock an image of the project and start the task that deletes it. Raises NotFound, Forbidden or Conflict."""
    existing = await images.get_own(tx, ctx.place, image_id)
    await images.save(tx, existing, existing.deleting(task_id, ctx.now()))
    if user := await images.find_dependent_resource(tx, existing):
        raise Conflict(f"Image {image_id} is in use by {user}")
    entry = AuditEntry("image", "delete", image_id, name=existing.name)
    return await start_task(tx, ctx, task_id, DELETE_IMAGE, DeleteImageArgs(image_id=image_id), entry=entry)


def _new_image(ctx: Context, spec: NewImage, task_id: str) -> Image:
    now, fields = ctx.now(), asdict(spec)
    del fields["tags"]
    return Image(
        id=ctx.new_id(),
        **asdict(ctx.place),
        **fields,
        status=ImageStatus.QUEUED.value,
        task_id=task_id,
        creator_task_id=task_id,
        created_at=now,
        updated_at=now,
    )


async def _with_volume_facts(tx: Tx, image: Image, volume: Volume) -> Image:
    """Set size and operating system to those of the volume; the latter come from the image that it was created from."""
    sized = replace(image, size=volume.size * GIB, min_disk=volume.size)
    origin = await images.find(tx, volume.image_id) if volume.image_id else None
    if origin is None:
        return sized
    return replace(sized, min_ram=origin.min_ram, os_distro=origin.os_distro, os_version=origin.os_version)


async def _add_image(tx: Tx, ctx: Context, image: Image, image_tags: Mapping[str, str]) -> None:
    await check_quotas(tx, ctx, {"image_count": 1, "image_size": image.size or 0})
    await images.add(tx, image)
    await add_tags(tx, ctx, images.KIND, image.id, make_tags(image_tags.items()))
