"""What a list of bare metal servers can be narrowed down by: the parameters of the operation, in three groups."""

from typing import Annotated, Literal

from litestar.di import NamedDependency, Provide
from litestar.params import FromQuery, QueryParameter
from msgspec.structs import replace

from pileus.api.routes.compute.instance_filters import Flag, TagValue, protected_instances
from pileus.api.wire.tags import parse_tag_filter
from pileus.api.wire.times import earliest, latest
from pileus.domain.compute.instances import Kind
from pileus.store.compute.instance_list import InstanceFilter

Standing = Literal[
    "ACTIVE", "BUILD", "ERROR", "HARD_REBOOT", "REBOOT", "REBUILD", "RESCUE", "SHUTOFF", "SUSPENDED"
]  # fmt: skip


def found_servers(  # each is a parameter of the operation
    name: FromQuery[str | None] = None,
    uuid: Annotated[str | None, QueryParameter(max_length=36)] = None,
    ip: FromQuery[str | None] = None,
    status: FromQuery[Standing | None] = None,
    flavor_id: FromQuery[str | None] = None,
    flavor_prefix: FromQuery[str | None] = None,
    only_with_fixed_external_ip: Flag = False,
    only_isolated: Flag = False,
    changes_since: Annotated[str | None, QueryParameter(name="changes-since")] = None,
    changes_before: Annotated[str | None, QueryParameter(name="changes-before")] = None,
) -> InstanceFilter:
    """Ask for what servers are, and where they are reached."""
    return InstanceFilter(
        kinds=[Kind.BAREMETAL.value],
        name=name,
        uuid=uuid,
        ip=ip,
        status=status,
        flavor_id=flavor_id,
        flavor_prefix=flavor_prefix,
        external=only_with_fixed_external_ip,
        isolated=only_isolated,
        since=earliest("changes-since", changes_since),
        before=latest("changes-before", changes_before),
    )


def tagged_servers(
    found: NamedDependency[InstanceFilter],
    tag_value: FromQuery[list[TagValue] | None] = None,
    tag_key_value: FromQuery[str | None] = None,
    include_k8s: Flag = True,  # noqa: ARG001  # there are no clusters whose members could be left out
) -> InstanceFilter:
    """Ask for tags too."""
    return replace(
        found, tag_values=[value.strip() for value in tag_value or ()], tag_pairs=parse_tag_filter(tag_key_value)
    )


FILTERED = {
    "found": Provide(found_servers, sync_to_thread=False),
    "of_kinds": Provide(tagged_servers, sync_to_thread=False),
    "wanted": Provide(protected_instances, sync_to_thread=False),
}
"""A handler says `dependencies=FILTERED` and takes `wanted: NamedDependency[Wanted]`."""
