"""create_image and download_image: keep what is on a volume, or what an address leads to, as an image.

Arguments: `image_id`, and `volume_id` or `url`. While it is fetched, the task's data tell how many bytes have come
(`downloaded`) and of how many (`total`); in the end also the `checksum`. A failure leaves nothing behind.
"""

from functools import partial

from msgspec.structs import replace

from pileus.domain.account import quota_checks
from pileus.domain.compute.images import ImageStatus, whole_gib
from pileus.domain.tasks import created_resources
from pileus.drivers.protocols.images import Fetched, ImageSource, KeptImage
from pileus.store import tags, tasks
from pileus.store.account import quotas, usage
from pileus.store.compute import images
from pileus.store.database import Tx
from pileus.tasks.operation import Created, Operation, Step, TaskContext
from pileus.tasks.storage.volume_sync import image_driver, image_of, unlock_volume, volume_of

OFTEN = 1_000_000
"""Microseconds between two tidings of how far the fetching has come."""


async def _keep(work: TaskContext) -> None:
    args = work.task.args
    await work.write(partial(_saving, work))
    source = ImageSource(url=args.get("url"), volume_id=args.get("volume_id"))
    kept = await image_driver(work).ensure_image(args["image_id"], source, await _listener(work))
    await work.write(partial(_kept, work, kept))


async def _destroy(work: TaskContext) -> None:
    await image_driver(work).ensure_no_image(work.task.args["image_id"])


async def _listener(work: TaskContext) -> Fetched:
    """Ends the fetching of what the quota has no room for, and lets the task tell how far it has come."""
    async with work.db.read() as tx:
        used = await usage.of_place(tx, work.task.place, work.catalogue)
        allowed = await quotas.limits_of(tx, work.task.place, work.catalogue)
    told = 0

    async def fetched(size: int, total: int | None) -> None:
        nonlocal told
        quota_checks.check(allowed, used, {"image_size": max(size, total or 0)})
        if work.now() - told >= OFTEN:
            told = work.now()
            await work.write(partial(_tell, work, downloaded=size, total=total))

    return fetched


async def _saving(work: TaskContext, tx: Tx) -> None:
    image = await image_of(tx, work)
    await images.save(tx, image, replace(image, status=ImageStatus.SAVING.value, updated_at=work.now()))


async def _tell(work: TaskContext, tx: Tx, **facts: int | str | None) -> None:
    data = work.task.data | facts
    await tasks.save_progress(tx, work.task, work.now(), data=data)
    work.task = replace(work.task, data=data)


async def _kept(work: TaskContext, kept: KeptImage, tx: Tx) -> None:
    """Write down what has come of the image; the quota is asked for its size in the end, when others have theirs."""
    image = await image_of(tx, work)
    known = replace(
        image,
        checksum=kept.checksum,
        disk_format=kept.disk_format,
        min_disk=whole_gib(kept.virtual_size),
        updated_at=work.now(),
    )
    await images.save(tx, image, known)
    await _tell(work, tx, size=kept.size)
    if kept.checksum:
        await _tell(work, tx, downloaded=kept.size, total=kept.size, checksum=f"sha256:{kept.checksum}")


async def _done(tx: Tx, work: TaskContext) -> Created | None:
    image, size = await image_of(tx, work), work.task.data["size"]
    used = await usage.lock_and_count(tx, work.task.place, work.catalogue)
    allowed = await quotas.limits_of(tx, work.task.place, work.catalogue)
    quota_checks.check(allowed, used, {"image_size": size - (image.size or 0)})
    await images.save(tx, image, replace(image.with_status(ImageStatus.ACTIVE, work.now()), size=size))
    await _let_go(tx, work)
    return created_resources(images=[image.id])


async def _failed(tx: Tx, work: TaskContext) -> None:
    await tags.remove(tx, work.task.args["image_id"])
    await images.remove(tx, work.task.args["image_id"])
    await _let_go(tx, work)


async def _let_go(tx: Tx, work: TaskContext) -> None:
    if work.task.args.get("volume_id"):
        await unlock_volume(tx, work, await volume_of(tx, work))


CREATE_IMAGE = Operation("create_image", (Step("copy the volume", _keep, undo=_destroy),), _done, _failed)
DOWNLOAD_IMAGE = Operation("download_image", (Step("fetch", _keep, undo=_destroy),), _done, _failed)
