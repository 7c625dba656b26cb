"""Images: look at one, and change or delete one of the project's own."""

from litestar import delete, get, patch
from litestar.params import FromPath, FromQuery, JSONBody

from pileus.api.auth import READ, WRITE
from pileus.api.context import Ctx
from pileus.api.routes.compute.image_views import show
from pileus.api.routes.metadata import TaggedResource, metadata_routes
from pileus.api.wire.compute.image_requests import UpdateImage
from pileus.api.wire.compute.images import ImageView
from pileus.api.wire.tasks import TaskIds
from pileus.domain.errors import Conflict
from pileus.store import tags
from pileus.store.account import projects
from pileus.store.compute import images
from pileus.store.database import Tx

ONE = "/cloud/v1/images/{project_id:int}/{region_id:int}/{image_id:str}"
NOUN = TaggedResource(
    path=ONE,
    parameter="image_id",
    tag="Images",
    name="Image",
    kind=images.KIND,
    group="image",
    get=images.get,
    own=images.get_own,
)


@get(ONE, opt=READ, tags=["Images"])
async def get_image(ctx: Ctx, image_id: FromPath[str], include_prices: FromQuery[bool] = False) -> ImageView:
    """Show an image, with what it costs if `include_prices` is true."""
    async with ctx.db.read() as tx:
        image = await images.get(tx, await projects.require(tx, ctx.place), image_id)
        return show(ctx, image, (await tags.of(tx, image.id)).values(), with_prices=include_prices)


@patch(ONE, opt=WRITE, tags=["Images"])
async def update_image(ctx: Ctx, image_id: FromPath[str], data: JSONBody[UpdateImage]) -> ImageView:
    """Change an image of the project's own: its name, what it says of itself, and its tags, by JSON merge patch.

    A tag with a value is set, a tag with null is removed, tags not named stay. Unlike elsewhere `"tags": null` is not
    taken. While a task holds the image the answer is 409; a public image cannot be changed: 403.
    """
    change = data.patch()

    async def write(tx: Tx) -> ImageView:
        before = await images.get_own(tx, ctx.place, image_id)
        after = await images.save(tx, before, before.patched(change, ctx.now()))
        new = await tags.patch(tx, images.KIND, ctx.place, image_id, change.get("tags", {}))
        await ctx.audit(tx, "image", "update", image_id, data=dict(change), name=after.name)
        return show(ctx, after, [new[key] for key in sorted(new)], with_prices=False)

    return await ctx.db.write(write)


@delete(ONE, opt=WRITE, status_code=200, tags=["Images"])
async def delete_image(ctx: Ctx, image_id: FromPath[str]) -> TaskIds:
    """Delete an image of the project's own. Volumes and servers that were made from it stay.

    The answer is 409 while something is being made from it, and for an image of `cow_format` as long as there are
    volumes that were. A public image cannot be deleted: 403.
    """
    task_id = ctx.new_id()

    async def write(tx: Tx) -> None:
        before = await images.get_own(tx, ctx.place, image_id)
        await images.save(tx, before, before.deleting(task_id, ctx.now()))
        if user := await images.needed_by(tx, before):
            raise Conflict(f"Image {image_id} is in use by {user}")
        await ctx.start_task(tx, "delete_image", task_id, {"image_id": image_id})
        await ctx.audit(tx, "image", "delete", image_id, task_id=task_id, name=before.name)

    await ctx.db.write(write)
    ctx.app.wake_engine()
    return TaskIds(tasks=[task_id])


ROUTES = [get_image, update_image, delete_image, *metadata_routes(NOUN)]
