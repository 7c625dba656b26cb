"""The filters of the list of bare metal servers: its query parameters, as dependencies that build on each other."""

from typing import Annotated, Literal

from litestar.di import NamedDependency, Provide
from litestar.params import FromQuery, QueryParameter
from msgspec.structs import replace

from pileus.api.routes.compute.instance_filters import Flag, TagValue, add_ddos_profile_filter
from pileus.api.tag_filters import TagFilterParameter
from pileus.api.wire.times import parse_range_end, parse_range_start
from pileus.domain.compute.instances import InstanceKind
from pileus.store.compute.instance_list import InstanceFilter

ServerStatus = Literal[
    "ACTIVE", "BUILD", "ERROR", "HARD_REBOOT", "REBOOT", "REBUILD", "RESCUE", "SHUTOFF", "SUSPENDED"
]  # fmt: skip


def parse_server_attribute_filter(
    name: FromQuery[str | None] = None,
    uuid: Annotated[str | None, QueryParameter(max_length=36)] = None,
    ip: FromQuery[str | None] = None,
    status: FromQuery[ServerStatus | None] = None,
    flavor_id: FromQuery[str | None] = None,
    flavor_prefix: FromQuery[str | None] = None,
    only_with_fixed_external_ip: Flag = False,
    only_isolated: Flag = False,
    changes_since: Annotated[str | None, QueryParameter(name="changes-since")] = None,
    changes_before: Annotated[str | None, QueryParameter(name="changes-before")] = None,
) -> InstanceFilter:
    """Filter by the server itself and by its addresses."""
    return InstanceFilter(
        kinds=[InstanceKind.BAREMETAL.value],
        name=name,
        uuid=uuid,
        ip=ip,
        status=status,
        flavor_id=flavor_id,
        flavor_prefix=flavor_prefix,
        external=only_with_fixed_external_ip,
        isolated=only_isolated,
        since=parse_range_start("changes-since", changes_since),
        before=parse_range_end("changes-before", changes_before),
    )


def add_server_tag_filter(
    attribute_filter: NamedDependency[InstanceFilter],
    tag_filter: TagFilterParameter,
    tag_value: FromQuery[list[TagValue] | None] = None,
    include_k8s: Flag = True,  # noqa: ARG001  # accepted, but there are no clusters whose members could be left out
) -> InstanceFilter:
    """Add the filter by tags."""
    values = [value.strip() for value in tag_value or ()]
    return replace(attribute_filter, tag_keys=tag_filter.keys, tag_values=values, tag_pairs=tag_filter.pairs)


FILTER_DEPENDENCIES = {
    "attribute_filter": Provide(parse_server_attribute_filter, sync_to_thread=False),
    "kind_filter": Provide(add_server_tag_filter, sync_to_thread=False),
    "instance_filter": Provide(add_ddos_profile_filter, sync_to_thread=False),
}
"""For a handler with `dependencies=FILTER_DEPENDENCIES` and `instance_filter: NamedDependency[InstanceFilter]`."""
