"""Routes that list, create, show, update and delete instances."""

from typing import Literal

from litestar import delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from pileus.api.authorization import READ, WRITE
from pileus.api.context import Ctx
from pileus.api.paging import Limit, Offset
from pileus.api.query_values import parse_selected_ids
from pileus.api.routes.compute.instance_filters import FILTER_DEPENDENCIES
from pileus.api.routes.compute.instance_views import (
    INSTANCE,
    InstanceForm,
    keeping_answers,
    show_instance,
    show_instances,
    update_and_show_instance,
)
from pileus.api.wire.compute.instance_requests import CreateInstance, UpdateInstance
from pileus.api.wire.compute.instances import InstanceView, InstanceViewOptions
from pileus.api.wire.paging import Page
from pileus.api.wire.tasks import TaskIds
from pileus.domain.compute.instances import InstanceKind
from pileus.services.compute import instance_creation as creation_service
from pileus.services.compute import instance_deletion as deletion_service
from pileus.services.compute.instance_deletion import InstanceDeletionRequest
from pileus.store.account import projects
from pileus.store.compute import instance_list
from pileus.store.compute.instance_list import InstanceFilter
from pileus.store.network import security_groups
from pileus.tasks.compute.machine_metadata import push_metadata

ALL = "/cloud/v1/instances/{project_id:int}/{region_id:int}"
ALL_V2 = "/cloud/v2/instances/{project_id:int}/{region_id:int}"
ONE = f"{ALL}/{{instance_id:str}}"
OF_SECURITY_GROUP = "/cloud/v1/securitygroups/{project_id:int}/{region_id:int}/{group_id:str}/instances"
SortOrder = Literal["created.asc", "created.desc", "name.asc", "name.desc", "status.asc", "status.desc"]


@get(ALL, opt=READ, dependencies=FILTER_DEPENDENCIES, tags=["Instances"])
async def list_instances(
    ctx: Ctx,
    instance_filter: NamedDependency[InstanceFilter],
    with_ddos: FromQuery[bool] = False,
    with_interfaces_name: FromQuery[bool] = False,
    order_by: FromQuery[SortOrder] = "created.desc",
    limit: Limit = 1000,
    offset: Offset = 0,
) -> Page[InstanceView]:
    """List the instances of a project in a region, by default the newest first.

    `name` and `uuid` match parts of the name and the id, `ip` matches the beginning of an address, `exclude_secgroup`
    is the name of a security group. `tag_key` and `tag_value` can be repeated: an instance matches if it has one of the
    keys and one of the values. `tag_key_value` is a JSON object: an instance matches if it has all of its tags.
    `include_baremetal` and `include_ai` add bare metal and GPU servers. `with_ddos` adds the DDoS profile to each
    instance; `type_ddos_profile`, `profile_name` and `protection_status` filter only together with it.
    `with_interfaces_name` adds `interface_name` to the addresses.
    """
    ctx.require_region()
    options = InstanceViewOptions(subnets=False, interface_names=with_interfaces_name, ddos_profile=with_ddos)
    form = InstanceForm(view_type=InstanceView, options=options)
    async with ctx.db.scan() as tx:
        place = await projects.require_existing(tx, ctx.place)
        count, page = await instance_list.page(tx, place, instance_filter, order_by, limit=limit, offset=offset)
        return Page(count=count, results=await show_instances(tx, ctx, page, form))


@get(OF_SECURITY_GROUP, opt=READ, tags=["Instances"])
async def list_security_group_instances(ctx: Ctx, group_id: FromPath[str]) -> Page[InstanceView]:
    """List the instances that have a security group on one of their ports."""
    instance_filter = InstanceFilter(kinds=[kind.value for kind in InstanceKind], group_id=group_id)
    options = InstanceViewOptions(subnets=False, interface_names=False, ddos_profile=False)
    form = InstanceForm(view_type=InstanceView, options=options)
    async with ctx.db.scan() as tx:
        await security_groups.get(tx, ctx.place, group_id)
        count, page = await instance_list.page(tx, ctx.place, instance_filter, "created.desc", limit=1000, offset=0)
        return Page(count=count, results=await show_instances(tx, ctx, page, form))


@post(ALL_V2, opt=WRITE, status_code=200, tags=["Instances"])
async def create_instance(ctx: Ctx, data: JSONBody[CreateInstance]) -> TaskIds:
    """Create an instance with a flavor, volumes and interfaces.

    A volume is created from an image, a snapshot or an app template, is blank, or is an existing one. An interface gets
    a public address, an address of a subnet, an address of any subnet of a network, or a reserved fixed IP; it can be
    assigned a floating IP. Without security groups, the instance gets the project's default one. The response is the id
    of the task that creates the instance; the `created_resources` of the finished task are the new resources. A task
    that fails leaves nothing behind.
    """
    return await ctx.submit_task(
        lambda tx, task_id: creation_service.create_instance(tx, ctx, ctx.app.drivers, data.to_order(), task_id)
    )


@get(ONE, opt=READ | keeping_answers(INSTANCE), tags=["Instances"])
async def get_instance(ctx: Ctx, instance_id: FromPath[str]) -> InstanceView:
    """Get an instance with its addresses, volumes, security groups, DDoS profile and tags."""
    return await show_instance(ctx, instance_id, INSTANCE)


@patch(ONE, opt=WRITE, tags=["Instances"])
async def update_instance(ctx: Ctx, instance_id: FromPath[str], data: JSONBody[UpdateInstance]) -> InstanceView:
    """Rename an instance or change its tags, by JSON merge patch (RFC 7386).

    A tag with a value is set, a tag with null is removed, and other tags do not change; `"tags": null` removes all
    tags. Read-only tags never change. The response is 400 if the body has neither `name` nor `tags`, and 409 while a
    task has locked the instance.
    """
    view = await update_and_show_instance(ctx, instance_id, data.to_patch(), INSTANCE)
    await push_metadata(ctx.db, ctx.app.drivers.find_here(ctx.place.region_id), instance_id)
    return view


@delete(ONE, opt=WRITE, status_code=200, tags=["Instances"])
async def delete_instance(
    ctx: Ctx,
    instance_id: FromPath[str],
    volumes: FromQuery[str | None] = None,
    floatings: FromQuery[str | None] = None,
    delete_floatings: FromQuery[bool | None] = None,
    reserved_fixed_ips: FromQuery[str | None] = None,
) -> TaskIds:
    """Delete an instance.

    Also deletes its volumes with `delete_on_termination` and those in `volumes`, the floating IPs in `floatings`, or
    all of them with `delete_floatings`, and the reserved fixed IPs whose ports are in `reserved_fixed_ips`. Each
    parameter is a list of ids separated by commas. All other volumes, floating IPs and reserved fixed IPs of the
    instance become available.
    """
    request = InstanceDeletionRequest(
        volumes=parse_selected_ids("volumes", volumes),
        floating_ips=parse_selected_ids("floatings", floatings, all_ids=bool(delete_floatings)),
        ports=parse_selected_ids("reserved_fixed_ips", reserved_fixed_ips),
    )
    return await ctx.submit_task(
        lambda tx, task_id: deletion_service.delete_instance(tx, ctx, instance_id, request, task_id)
    )


ROUTES = [
    list_instances,
    list_security_group_instances,
    create_instance,
    get_instance,
    update_instance,
    delete_instance,
]
