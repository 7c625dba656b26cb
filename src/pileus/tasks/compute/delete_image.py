"""delete_image: destroy an image; one that cannot be destroyed shows that it is in error, and can be deleted again.

Arguments: `image_id`.
"""

from pileus.domain.compute.images import ImageStatus
from pileus.store import tags
from pileus.store.account import metering
from pileus.store.compute import images
from pileus.store.database import Tx
from pileus.tasks.operation import Created, Operation, Step, Work
from pileus.tasks.storage.storage import gallery, image_of


async def _destroy(work: Work) -> None:
    await gallery(work).ensure_no_image(work.task.args["image_id"])


async def _done(tx: Tx, work: Work) -> Created | None:
    await metering.ended(tx, [await image_of(tx, work)], work.now())
    await tags.remove(tx, work.task.args["image_id"])
    await images.remove(tx, work.task.args["image_id"])
    return None


async def _failed(tx: Tx, work: Work) -> None:
    image = await image_of(tx, work)
    await images.save(tx, image, image.standing(ImageStatus.ERROR, work.now()))


DELETE_IMAGE = Operation("delete_image", (Step("destroy", _destroy),), _done, _failed)
