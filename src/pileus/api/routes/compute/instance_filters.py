"""The filters of the list of instances: its query parameters, as four dependencies that build on each other."""

from typing import Annotated, Literal

from litestar.di import NamedDependency, Provide
from litestar.params import FromQuery, QueryParameter
from msgspec import Meta
from msgspec.structs import replace

from pileus.api.context import Ctx
from pileus.api.tag_filters import LegacyQuery, TagFilterParameter
from pileus.api.wire.times import parse_range_end, parse_range_start
from pileus.domain.compute.instances import InstanceKind, Status
from pileus.store.compute.instance_list import InstanceFilter

TagValue = Annotated[str, Meta(min_length=1, max_length=255)]
Flag = FromQuery[bool]


def parse_attribute_filter(
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
    """Filter by the instance itself and by its addresses."""
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
        since=parse_range_start("changes-since", changes_since),
        before=parse_range_end("changes-before", changes_before),
    )


def add_tag_filter(
    attribute_filter: NamedDependency[InstanceFilter],
    tag_filter: TagFilterParameter,
    tag_value: FromQuery[list[TagValue] | None] = None,
) -> InstanceFilter:
    """Add the filter by tags."""
    values = [value.strip() for value in tag_value or ()]
    return replace(attribute_filter, tag_keys=tag_filter.keys, tag_values=values, tag_pairs=tag_filter.pairs)


def add_kind_filter(
    tagged_filter: NamedDependency[InstanceFilter],
    include_baremetal: LegacyQuery[bool] = False,
    include_ai: LegacyQuery[bool] = False,
    include_k8s: Flag = True,  # noqa: ARG001  # accepted, but there are no clusters whose members could be left out
) -> InstanceFilter:
    """Add the filter by kinds of instances."""
    kinds = (InstanceKind.VM, *(InstanceKind.BAREMETAL,) * include_baremetal, *(InstanceKind.GPU,) * include_ai)
    return replace(tagged_filter, kinds=[kind.value for kind in kinds])


def add_ddos_profile_filter(
    ctx: Ctx,
    kind_filter: NamedDependency[InstanceFilter],
    with_ddos: Flag = False,
    type_ddos_profile: FromQuery[Literal["basic", "advanced"] | None] = None,
    profile_name: FromQuery[str | None] = None,
    protection_status: FromQuery[Literal["Active", "Queued", "Error"] | None] = None,
) -> InstanceFilter:
    """Add the filter by DDoS profile, if `with_ddos`: instances with a profile are `advanced`, all others `basic`."""
    if not with_ddos:
        return kind_filter
    template_ids = [template.id for template in ctx.catalogue.ddos_templates if template.name == profile_name]
    return replace(
        kind_filter,
        protected=None if type_ddos_profile is None else type_ddos_profile == "advanced",
        template_ids=None if profile_name is None else template_ids,
        protection_status=protection_status,
    )


FILTER_DEPENDENCIES = {
    "attribute_filter": Provide(parse_attribute_filter, sync_to_thread=False),
    "tagged_filter": Provide(add_tag_filter, sync_to_thread=False),
    "kind_filter": Provide(add_kind_filter, sync_to_thread=False),
    "instance_filter": Provide(add_ddos_profile_filter, sync_to_thread=False),
}
"""For a handler with `dependencies=FILTER_DEPENDENCIES` and `instance_filter: NamedDependency[InstanceFilter]`."""
