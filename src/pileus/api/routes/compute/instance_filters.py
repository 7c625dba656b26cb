"""What a list of instances can be narrowed down by: the parameters of the operation, in four groups."""

from typing import Annotated, Literal

from litestar.di import NamedDependency, Provide
from litestar.params import FromQuery, QueryParameter
from msgspec import Meta
from msgspec.structs import replace

from pileus.api.context import Ctx
from pileus.api.wire.tags import parse_tag_filter
from pileus.api.wire.times import earliest, latest
from pileus.domain.compute.instances import Kind, Status
from pileus.store.compute.instance_list import InstanceFilter

TagValue = Annotated[str, Meta(min_length=1, max_length=255)]
Flag = FromQuery[bool]


def found_instances(  # each is a parameter of the operation
    name: FromQuery[str | None] = None,
    uuid: Annotated[str | None, QueryParameter(max_length=36)] = None,
    ip: FromQuery[str | None] = None,
    status: FromQuery[Status | None] = None,
    flavor_id: FromQuery[str | None] = None,
    flavor_prefix: FromQuery[str | None] = None,
    exclude_flavor_prefix: FromQuery[str | None] = None,
    exclude_secgroup: FromQuery[str | None] = None,
    available_floating: Flag = False,
    only_with_fixed_external_ip: Flag = False,
    only_isolated: Flag = False,
    changes_since: Annotated[str | None, QueryParameter(name="changes-since")] = None,
    changes_before: Annotated[str | None, QueryParameter(name="changes-before")] = None,
) -> InstanceFilter:
    """Ask for what instances are, and where they are reached."""
    return InstanceFilter(
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
    )


def tagged_instances(
    found: NamedDependency[InstanceFilter],
    tag_key: FromQuery[list[str] | None] = None,
    tag_value: FromQuery[list[TagValue] | None] = None,
    tag_key_value: FromQuery[str | None] = None,
) -> InstanceFilter:
    """Ask for tags too."""
    values = [value.strip() for value in tag_value or ()]
    return replace(found, tag_keys=tag_key or (), tag_values=values, tag_pairs=parse_tag_filter(tag_key_value))


def instances_of_kinds(
    tagged: NamedDependency[InstanceFilter],
    include_baremetal: Flag = False,
    include_ai: Flag = False,
    include_k8s: Flag = True,  # noqa: ARG001  # there are no clusters whose members could be left out
) -> InstanceFilter:
    """Say which kinds of servers are wanted."""
    kinds = (Kind.VM, *(Kind.BAREMETAL,) * include_baremetal, *(Kind.GPU,) * include_ai)
    return replace(tagged, kinds=[kind.value for kind in kinds])


def protected_instances(  # each is a parameter of the operation
    ctx: Ctx,
    of_kinds: NamedDependency[InstanceFilter],
    with_ddos: Flag = False,
    type_ddos_profile: FromQuery[Literal["basic", "advanced"] | None] = None,
    profile_name: FromQuery[str | None] = None,
    protection_status: FromQuery[Literal["Active", "Queued", "Error"] | None] = None,
) -> InstanceFilter:
    """Ask for protection too, if it is to be shown: all have the basic one, those with a profile the advanced one."""
    if not with_ddos:
        return of_kinds
    named = [each.id for each in ctx.catalogue.ddos_templates if each.name == profile_name]
    return replace(
        of_kinds,
        protected=None if type_ddos_profile is None else type_ddos_profile == "advanced",
        template_ids=None if profile_name is None else named,
        protection_status=protection_status,
    )


FILTERED = {
    "found": Provide(found_instances, sync_to_thread=False),
    "tagged": Provide(tagged_instances, sync_to_thread=False),
    "of_kinds": Provide(instances_of_kinds, sync_to_thread=False),
    "wanted": Provide(protected_instances, sync_to_thread=False),
}
"""A handler says `dependencies=FILTERED` and takes `wanted: NamedDependency[Wanted]`."""
