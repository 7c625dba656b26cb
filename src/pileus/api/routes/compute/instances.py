"""Instances: look at one, and change its name and tags."""

from litestar import get, patch
from litestar.params import FromPath, JSONBody
from msgspec.structs import replace

from pileus.api.auth import READ, WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.routes.compute.instance_views import show
from pileus.api.wire.compute.instance_requests import UpdateInstance
from pileus.api.wire.compute.instances import InstanceView
from pileus.domain.compute.instance_details import InstanceDetails
from pileus.domain.compute.instances import Instance, InstancePatch
from pileus.domain.tags import merged
from pileus.store import tags
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.tasks.compute.machine_metadata import push_metadata

ONE = "/cloud/v1/instances/{project_id:int}/{region_id:int}/{instance_id:str}"


@get(ONE, opt=READ, tags=["Instances"])
async def get_instance(ctx: Ctx, instance_id: FromPath[str]) -> InstanceView:
    """Show an instance with its addresses, volumes, security groups, protection and tags."""
    async with ctx.db.read() as tx:
        return show(ctx.app, *await instances.get_with_details(tx, ctx.place, instance_id))


@patch(ONE, opt=WRITE, tags=["Instances"])
async def update_instance(ctx: Ctx, instance_id: FromPath[str], data: JSONBody[UpdateInstance]) -> InstanceView:
    """Rename an instance or change its tags, by JSON merge patch (RFC 7386).

    A tag with a value is set, a tag with null is removed, tags not named stay; `"tags": null` removes all.
    Read-only tags always stay as they are. While a task holds the instance the answer is 409.
    """
    change = data.patch()

    async def write(tx: Tx) -> InstanceView:
        return show(
            ctx.app,
            *await apply_instance_patch(tx, ctx, await instances.get_with_details(tx, ctx.place, instance_id), change),
        )

    view = await ctx.db.write(write)
    await push_metadata(ctx.db, ctx.app.driver, instance_id)
    return view


async def apply_instance_patch(
    tx: Tx, ctx: RequestContext, found: tuple[Instance, InstanceDetails], change: InstancePatch
) -> tuple[Instance, InstanceDetails]:
    """Write a merge patch of an instance and its tags, and who has made it."""
    before, attached = found
    after = await instances.save(tx, before, before.patched(change))
    if "tags" in change:
        old = {tag.key: tag for tag in attached.tags}
        new = merged(old, change["tags"])
        await tags.save(tx, instances.KIND, ctx.place, before.id, old, new)
        attached = replace(attached, tags=[new[key] for key in sorted(new)])
    await ctx.audit(tx, "instance", "update", before.id, data=dict(change))
    return after, attached


ROUTES = [get_instance, update_instance]
