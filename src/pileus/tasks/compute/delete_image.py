"""delete_image: destroy an image; one that cannot be destroyed shows that it is in error, and can be deleted again.

Arguments: `image_id`.
"""

from pileus.domain.compute.images import ImageStatus
from pileus.store import tags
from pileus.store.account import metering
from pileus.store.compute import images
from pileus.store.database import Tx
from pileus.tasks.operation import Created, Operation, Step, TaskContext
from pileus.tasks.storage.volume_sync import image_driver, image_of


async def _destroy(work: TaskContext) -> None:
    await image_driver(work).ensure_no_image(work.task.args["image_id"])


async def _done(tx: Tx, work: TaskContext) -> Created | None:
    await metering.close_usage(tx, [await image_of(tx, work)], work.now())
    await tags.remove(tx, work.task.args["image_id"])
    await images.remove(tx, work.task.args["image_id"])
    return None


async def _failed(tx: Tx, work: TaskContext) -> None:
    image = await image_of(tx, work)
    await images.save(tx, image, image.with_status(ImageStatus.ERROR, work.now()))


DELETE_IMAGE = Operation("delete_image", (Step("destroy", _destroy),), _done, _failed)
