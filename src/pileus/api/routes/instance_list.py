"""Listing instances."""

from typing import Annotated, Literal

from litestar import get
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, QueryParameter
from msgspec import Meta
from msgspec.structs import replace

from pileus.api.auth import READ
from pileus.api.call import Call, Here
from pileus.api.paging import Limit, Offset
from pileus.api.routes.instance_views import show
from pileus.api.wire.instances import InstanceView
from pileus.api.wire.paging import Page
from pileus.api.wire.tags import pairs
from pileus.api.wire.times import earliest, latest
from pileus.domain.instances import Kind, Status
from pileus.store import instance_list, instances, projects, security_groups
from pileus.store.instance_list import Wanted

ALL = "/cloud/v1/instances/{project_id:int}/{region_id:int}"
Order = Literal["created.asc", "created.desc", "name.asc", "name.desc", "status.asc", "status.desc"]
TagValue = Annotated[str, Meta(min_length=1, max_length=255)]
Flag = FromQuery[bool]


def wanted_instances(  # noqa: PLR0913, PLR0917  # each is a parameter of the operation
    name: FromQuery[str | None] = None,
    uuid: Annotated[str | None, QueryParameter(max_length=36)] = None,
    ip: FromQuery[str | None] = None,
    status: FromQuery[Status | None] = None,
    flavor_id: FromQuery[str | None] = None,
    flavor_prefix: FromQuery[str | None] = None,
    exclude_flavor_prefix: FromQuery[str | None] = None,
    exclude_secgroup: FromQuery[str | None] = None,
    available_floating: Flag = False,  # noqa: FBT002
    only_with_fixed_external_ip: Flag = False,  # noqa: FBT002
    only_isolated: Flag = False,  # noqa: FBT002
    include_baremetal: Flag = False,  # noqa: FBT002
    include_ai: Flag = False,  # noqa: FBT002
    changes_since: Annotated[str | None, QueryParameter(name="changes-since")] = None,
    changes_before: Annotated[str | None, QueryParameter(name="changes-before")] = None,
    tag_key: FromQuery[list[str] | None] = None,
    tag_value: FromQuery[list[TagValue] | None] = None,
    tag_key_value: FromQuery[str | None] = None,
) -> Wanted:
    """Gather the filters of a list of instances."""
    kinds = (Kind.VM, *(Kind.BAREMETAL,) * include_baremetal, *(Kind.GPU,) * include_ai)
    return Wanted(
        kinds=[kind.value for kind in kinds],
        name=name,
        uuid=uuid,
        ip=ip,
        status=status,
        flavor_id=flavor_id,
        flavor_prefix=flavor_prefix,
        exclude_flavor_prefix=exclude_flavor_prefix,
        exclude_group=exclude_secgroup,
        available_floating=available_floating,
        external=only_with_fixed_external_ip,
        isolated=only_isolated,
        since=earliest("changes-since", changes_since),
        before=latest("changes-before", changes_before),
        tag_keys=tag_key or (),
        tag_values=[value.strip() for value in tag_value or ()],
        tag_pairs=pairs(tag_key_value) or {},
    )


FILTERED = {"wanted": Provide(wanted_instances, sync_to_thread=False)}


@get(ALL, opt=READ, dependencies=FILTERED, tags=["Instances"])
async def list_instances(  # noqa: PLR0913, PLR0917  # each is a parameter of the operation
    call: Here,
    wanted: NamedDependency[Wanted],
    with_ddos: Flag = False,  # noqa: FBT002
    with_interfaces_name: Flag = False,  # noqa: FBT002
    type_ddos_profile: FromQuery[Literal["basic", "advanced"] | None] = None,
    profile_name: FromQuery[str | None] = None,
    protection_status: FromQuery[Literal["Active", "Queued", "Error"] | None] = None,
    include_k8s: Flag = True,  # noqa: ARG001, FBT002  # there are no clusters whose members could be left out
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
    call.region()
    if with_ddos:
        wanted = _protected(call, wanted, type_ddos_profile, profile_name, protection_status)
    async with call.db.scan() as tx:
        place = await projects.present(tx, call.place)
        count, found = await instance_list.page(tx, place, wanted, order_by, limit=limit, offset=offset)
        hanging = await instances.attached_to(tx, [instance.id for instance in found])
    results = [
        show(
            call.cloud,
            instance,
            hanging[instance.id],
            detail=False,
            with_interface_names=with_interfaces_name,
            with_ddos=with_ddos,
        )
        for instance in found
    ]
    return Page(count=count, results=results)


@get("/cloud/v1/securitygroups/{project_id:int}/{region_id:int}/{group_id:str}/instances", opt=READ, tags=["Instances"])
async def list_security_group_instances(call: Here, group_id: FromPath[str]) -> Page[InstanceView]:
    """List the instances that a security group guards."""
    wanted = Wanted(kinds=[kind.value for kind in Kind], group_id=group_id)
    async with call.db.scan() as tx:
        await security_groups.get(tx, call.place, group_id)
        count, found = await instance_list.page(tx, call.place, wanted, "created.desc", limit=1000, offset=0)
        hanging = await instances.attached_to(tx, [instance.id for instance in found])
    results = [
        show(call.cloud, instance, hanging[instance.id], detail=False, with_interface_names=False, with_ddos=False)
        for instance in found
    ]
    return Page(count=count, results=results)


def _protected(call: Call, wanted: Wanted, level: str | None, profile_name: str | None, status: str | None) -> Wanted:
    """Ask for protection too: every address has the basic one, those with a profile have the advanced one."""
    named = [each.id for each in call.cloud.catalogue.ddos_templates if each.name == profile_name]
    return replace(
        wanted,
        protected=None if level is None else level == "advanced",
        template_ids=None if profile_name is None else named,
        protection_status=status,
    )


ROUTES = [list_instances, list_security_group_instances]
