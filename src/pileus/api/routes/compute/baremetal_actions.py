"""What can be done to a bare metal server: its power, its screen, and another image on it."""

from typing import Literal

from litestar import get, post
from litestar.params import FromPath, FromQuery, JSONBody

from pileus.api.auth import WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.routes.compute.instance_actions import start_power_action
from pileus.api.routes.compute.instance_console import open_console
from pileus.api.wire.compute.baremetal import ActOnServer, RebuildServer
from pileus.api.wire.compute.instances import RemoteConsoleView
from pileus.api.wire.tasks import TaskIds
from pileus.domain.compute.images import Image
from pileus.domain.compute.instances import Action
from pileus.domain.compute.rebuilds import start_rebuild, with_image_tags
from pileus.domain.errors import NotFound, invalid
from pileus.domain.tags import Tags
from pileus.store import tags
from pileus.store.compute import images, instances
from pileus.store.database import Tx

HERE = "{project_id:int}/{region_id:int}/{server_id:str}"


@post(f"/cloud/v2/baremetal/{HERE}/action", opt=WRITE, status_code=200, tags=["Bare Metal"])
async def act_on_server(ctx: Ctx, server_id: FromPath[str], data: JSONBody[ActOnServer]) -> TaskIds:
    """Start, stop or reboot a bare metal server (`reboot` softly, `reboot_hard` by its power).

    It can be started when it is shut off, and rebooted softly when it is active; in any other status the answer is 409,
    as it is while a task holds it. A start also turns protection against DDoS on again, unless `activate_profile` is
    false.
    """
    return await _acted(ctx, server_id, data)


@post(f"/cloud/v2/bminstances/{HERE}/action", opt=WRITE, status_code=200, deprecated=True, tags=["Bare Metal"])
async def act_on_bminstance(ctx: Ctx, server_id: FromPath[str], data: JSONBody[ActOnServer]) -> TaskIds:
    """Start, stop or reboot a bare metal server, at the address that older clients know."""
    return await _acted(ctx, server_id, data)


async def _acted(ctx: RequestContext, server_id: str, data: ActOnServer) -> TaskIds:
    action = Action(data.action)
    activate = action is Action.START and data.activate_profile is not False
    return TaskIds(
        tasks=[await start_power_action(ctx, server_id, action, activate=activate, find=instances.get_baremetal)]
    )


@get(f"/cloud/v3/baremetal/{HERE}/get_console", opt=WRITE, tags=["Bare Metal"])
async def get_server_console(
    ctx: Ctx, server_id: FromPath[str], console_type: FromQuery[Literal["serial", "vnc"]] = "vnc"
) -> RemoteConsoleView:
    """Open the screen of a running server; the answer's address is good for a while, for whoever has it."""
    async with ctx.db.read() as tx:
        server = await instances.get_baremetal(tx, ctx.place, server_id)
    return await open_console(ctx, server, console_type)


@post(f"/cloud/v1/bminstances/{HERE}/rebuild", opt=WRITE, status_code=200, tags=["Bare Metal"])
async def rebuild_server(ctx: Ctx, server_id: FromPath[str], data: JSONBody[RebuildServer]) -> TaskIds:
    """Install an image on a server: another, or without `image_id` the same once more. All that was on it is lost.

    It must be active, shut off or in error; meanwhile its status is `REBUILD`, and in the end it runs. Its addresses,
    name and tags stay. When the task fails, the server is in error and can be rebuilt again.
    """
    task_id = ctx.new_id()

    async def write(tx: Tx) -> None:
        before = await instances.get_baremetal(tx, ctx.place, server_id)
        its = await tags.of(tx, server_id)
        image = await _wanted(tx, ctx, data.image_id or None, its)
        flavor = ctx.catalogue.flavor(before.flavor_id)
        after = start_rebuild(before, flavor, image, data.user_data, task_id, ctx.now())
        await images.lock_for_use(tx, image)
        await instances.save(tx, before, after)
        await tags.save(tx, instances.KIND, ctx.place, server_id, its, with_image_tags(its, image))
        shown = {"instance_id": server_id, "image_id": image.id}
        await ctx.start_task(tx, "rebuild_bm", task_id, {"instance_id": server_id}, data=shown)
        await ctx.audit(tx, "instance", "rebuild", server_id, data={"image_id": image.id}, task_id=task_id)

    await ctx.db.write(write)
    ctx.app.wake_engine()
    return TaskIds(tasks=[task_id])


async def _wanted(tx: Tx, ctx: RequestContext, image_id: str | None, its: Tags) -> Image:
    """The image that is named, or the one that is on the server; raises NotFound, or Invalid where that one is gone."""
    if image_id is not None:
        return await images.get(tx, ctx.place, image_id)
    try:
        return await images.get(tx, ctx.place, its["image_id"].value)
    except (KeyError, NotFound):
        raise invalid(image_id="Field required: the image that was on the server is not there any more") from None


ROUTES = [act_on_server, act_on_bminstance, get_server_console, rebuild_server]
