"""Making images, of volumes or of what an address leads to; and what keeping them would cost."""

from typing import Any

from litestar import post
from litestar.params import JSONBody
from msgspec.structs import replace

from pileus.api.auth import READ, WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.wire.account.prices import ItemPrice
from pileus.api.wire.compute.image_requests import CreateImage, DownloadImage, PriceImage
from pileus.api.wire.tasks import TaskIds
from pileus.domain.account import prices
from pileus.domain.compute.images import GIB, Image, ImageStatus
from pileus.domain.storage.volumes import Volume
from pileus.domain.tags import make_tags, validate_tags
from pileus.services.account.request_quotas import check_quotas
from pileus.store import tags
from pileus.store.account import projects
from pileus.store.compute import images
from pileus.store.database import Tx
from pileus.store.storage import volumes

HERE = "{project_id:int}/{region_id:int}"
UNKNOWN = "unknown"
"""What an image is said to have on it where nobody says."""


@post(f"/cloud/v1/images/{HERE}", opt=WRITE, status_code=200, tags=["Images"])
async def create_image(ctx: Ctx, data: JSONBody[CreateImage]) -> TaskIds:
    """Make an image of a bootable volume, in use or not; it is best not written to meanwhile.

    While it is copied the volume is `uploading`, and held by the task. A task that fails leaves nothing behind.
    """
    return await _copied(ctx, data)


@post(f"/cloud/v1/bmimages/{HERE}", opt=WRITE, status_code=200, tags=["Images"])
async def create_baremetal_image(ctx: Ctx, data: JSONBody[CreateImage]) -> TaskIds:
    """Make an image for bare metal servers of a bootable volume, whatever `is_baremetal` says."""
    return await _copied(ctx, replace(data, is_baremetal=True))


@post(f"/cloud/v1/downloadimage/{HERE}", opt=WRITE, status_code=200, tags=["Images"])
async def download_image(ctx: Ctx, data: JSONBody[DownloadImage]) -> TaskIds:
    """Fetch an image from an address of the web, by http or https.

    The task's data tell how many bytes have come (`downloaded`), of how many (`total`), and in the end the `checksum`.
    Format, size and `min_disk` are read off the image itself. If its server tells a checksum (`Repr-Digest`), it has
    to be right. Redirects are followed, but never from https to http. There are limits to the size and the time that
    it takes, and only public addresses are asked, unless the operator says otherwise.
    """
    task_id, url = ctx.new_id(), data.address()
    image = _new(ctx, data, task_id, cow_format=data.cow_format)
    image = replace(image, os_distro=data.os_distro or UNKNOWN, os_version=data.os_version or UNKNOWN)

    async def write(tx: Tx) -> None:
        await projects.require_open(tx, ctx.place)
        await _begun(tx, ctx, image, data, "download_image", {"url": url})

    await ctx.db.write(write)
    ctx.app.wake_engine()
    return TaskIds(tasks=[task_id])


@post(f"/cloud/v1/pricing/{HERE}/images", opt=READ, status_code=200, tags=["Images"])
async def preview_image_price(ctx: Ctx, data: JSONBody[PriceImage]) -> ItemPrice:
    """Tell what keeping an image of a size in bytes would cost."""
    ctx.region()
    async with ctx.db.read() as tx:
        await projects.require(tx, ctx.place)
    catalogue = ctx.catalogue
    return ItemPrice.of(prices.of_image(catalogue, data.size), catalogue)


async def _copied(ctx: RequestContext, data: CreateImage) -> TaskIds:
    task_id = ctx.new_id()
    new = _new(ctx, data, task_id)

    async def write(tx: Tx) -> None:
        await projects.require_open(tx, ctx.place)
        volume = await volumes.get(tx, ctx.place, data.volume_id)
        await volumes.save(tx, volume, volume.uploading(task_id, ctx.now()))
        await _begun(tx, ctx, await _like(tx, new, volume), data, "create_image", {"volume_id": volume.id})

    await ctx.db.write(write)
    ctx.app.wake_engine()
    return TaskIds(tasks=[task_id])


async def _like(tx: Tx, new: Image, volume: Volume) -> Image:
    """An image that has on it what a volume has."""
    origin = await images.find(tx, volume.image_id) if volume.image_id else None
    return replace(
        new,
        size=volume.size * GIB,
        min_disk=volume.size,
        min_ram=origin.min_ram if origin else 0,
        os_distro=origin.os_distro if origin else UNKNOWN,
        os_version=origin.os_version if origin else UNKNOWN,
    )


def _new(ctx: RequestContext, data: CreateImage | DownloadImage, task_id: str, *, cow_format: bool = False) -> Image:
    ctx.region()
    now = ctx.now()
    return Image(
        id=ctx.new_id(),
        client_id=ctx.place.client_id,
        project_id=ctx.place.project_id,
        region_id=ctx.place.region_id,
        name=data.name,
        status=ImageStatus.QUEUED.value,
        os_distro=UNKNOWN,
        os_type=data.os_type,
        os_version=UNKNOWN,
        architecture=data.architecture,
        ssh_key=data.ssh_key,
        is_baremetal=data.is_baremetal,
        hw_firmware_type=data.hw_firmware_type,
        hw_machine_type=data.hw_machine_type,
        cow_format=cow_format,
        task_id=task_id,
        creator_task_id=task_id,
        created_at=now,
        updated_at=now,
    )


async def _begun(  # each is a fact of its own
    tx: Tx,
    ctx: RequestContext,
    image: Image,
    data: CreateImage | DownloadImage,
    task_type: str,
    source: dict[str, Any],
) -> None:
    """Write a new image and the task that makes it; an address, which may have a secret in it, is told to nobody."""
    task_id = image.task_id or ""
    asked = {"image_count": 1, "image_size": image.size or 0}
    await check_quotas(tx, ctx, asked)
    await images.add(tx, image)
    its = make_tags(validate_tags(data.tags or {}).items())
    await tags.add(tx, images.KIND, ctx.place, image.id, its)
    told = {"name": image.name} | {name: value for name, value in source.items() if name != "url"}
    shown = {"image_id": image.id, **told}
    await ctx.start_task(tx, task_type, task_id, {"image_id": image.id, **source}, data=shown)
    action = "download" if "url" in source else "create"
    await ctx.audit(tx, "image", action, image.id, data=told, task_id=task_id)


ROUTES = [create_image, create_baremetal_image, download_image, preview_image_price]
