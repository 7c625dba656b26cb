"""Listing instances."""

from collections.abc import Sequence
from typing import Literal

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from pileus.api.auth import READ
from pileus.api.context import Ctx, RequestContext
from pileus.api.paging import Limit, Offset
from pileus.api.routes.compute.instance_filters import FILTERED
from pileus.api.routes.compute.instance_views import show
from pileus.api.wire.compute.instances import InstanceView
from pileus.api.wire.paging import Page
from pileus.domain.compute.instances import Instance, Kind
from pileus.store.account import projects
from pileus.store.compute import instance_list, instances
from pileus.store.compute.instance_list import InstanceFilter
from pileus.store.database import Tx
from pileus.store.network import security_groups

ALL = "/cloud/v1/instances/{project_id:int}/{region_id:int}"
OF_GROUP = "/cloud/v1/securitygroups/{project_id:int}/{region_id:int}/{group_id:str}/instances"
Order = Literal["created.asc", "created.desc", "name.asc", "name.desc", "status.asc", "status.desc"]


@get(ALL, opt=READ, dependencies=FILTERED, tags=["Instances"])
async def list_instances(  # each is a parameter of the operation
    ctx: Ctx,
    wanted: NamedDependency[InstanceFilter],
    with_ddos: FromQuery[bool] = False,
    with_interfaces_name: FromQuery[bool] = False,
    order_by: FromQuery[Order] = "created.desc",
    limit: Limit = 1000,
    offset: Offset = 0,
) -> Page[InstanceView]:
    """List the instances of a project in a region, the newest first.

    `name` and `uuid` are parts of the name and the id; `ip` is how an address begins; `exclude_secgroup` names a
    security group. `tag_key` and `tag_value` may be given several times and ask for any of theirs; `tag_key_value` is
    a JSON object whose pairs must all be there. Bare metal and GPU servers are shown with `include_baremetal` and
    `include_ai`. Protection is shown with `with_ddos`; only then `type_ddos_profile`, `profile_name` and
    `protection_status` narrow the list. `interface_name` is shown with `with_interfaces_name`.
    """
    ctx.region()
    async with ctx.db.scan() as tx:
        place = await projects.require(tx, ctx.place)
        count, found = await instance_list.page(tx, place, wanted, order_by, limit=limit, offset=offset)
        return Page(
            count=count, results=await instance_views(tx, ctx, found, names=with_interfaces_name, ddos=with_ddos)
        )


@get(OF_GROUP, opt=READ, tags=["Instances"])
async def list_security_group_instances(ctx: Ctx, group_id: FromPath[str]) -> Page[InstanceView]:
    """List the instances that a security group guards."""
    wanted = InstanceFilter(kinds=[kind.value for kind in Kind], group_id=group_id)
    async with ctx.db.scan() as tx:
        await security_groups.get(tx, ctx.place, group_id)
        count, found = await instance_list.page(tx, ctx.place, wanted, "created.desc", limit=1000, offset=0)
        return Page(count=count, results=await instance_views(tx, ctx, found, names=False, ddos=False))


async def instance_views(  # what may be left out of a view
    tx: Tx, ctx: RequestContext, found: Sequence[Instance], *, names: bool, ddos: bool, detail: bool = False
) -> list[InstanceView]:
    """Show instances as lists do."""
    hanging = await instances.details_of_each(tx, [instance.id for instance in found])
    return [
        show(ctx.app, each, hanging[each.id], detail=detail, with_interface_names=names, with_ddos=ddos)
        for each in found
    ]


ROUTES = [list_instances, list_security_group_instances]
