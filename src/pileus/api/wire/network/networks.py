"""Networks, with or without their subnets, as the API shows them, and their request bodies."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from msgspec import Struct

from pileus.api.wire.common import common_view_fields, make_view
from pileus.api.wire.constraints import Name
from pileus.api.wire.legacy import CreateTaggedResource, LegacyField
from pileus.api.wire.network.subnets import SubnetView
from pileus.api.wire.patches import UpdateResource
from pileus.api.wire.tags import TagView, tag_views
from pileus.domain.network.networks import Network, Subnet
from pileus.domain.tags import Tag

NetworkType = Literal["vlan", "vxlan"]
NetworkOrder = Literal["created_at.asc", "created_at.desc", "name.asc", "name.desc", "priority.desc"]
OwnedBy = Literal["any", "project"]


class _NetworkView(Struct, kw_only=True):
    # `default` is null for any other network, as in the live API.
    id: str
    name: str
    type: str
    mtu: int
    segmentation_id: int | None
    external: bool
    shared: bool
    default: bool | None
    port_security_enabled: bool
    tags: list[TagView]
    project_id: int | None
    region: str
    region_id: int
    task_id: str | None
    creator_task_id: str | None
    created_at: str
    updated_at: str
    metadata: LegacyField[list[TagView]]


class NetworkView(_NetworkView, kw_only=True):
    """A network with the ids of its subnets. `task_id` is the task that has locked it."""

    subnets: list[str]

    @classmethod
    def of(cls, network: Network, subnets: Iterable[Subnet], tags: Iterable[Tag], region_name: str) -> "NetworkView":
        """Return the view of a network."""
        return make_view(
            cls,
            network,
            subnets=[subnet.id for subnet in subnets],
            **_computed_fields(network, tags, region_name),
        )


class NetworkWithSubnetsView(_NetworkView, kw_only=True):
    """A network with its subnets."""

    subnets: Sequence[SubnetView]

    @classmethod
    def of(
        cls, network: Network, subnets: Sequence[SubnetView], tags: Iterable[Tag], region_name: str
    ) -> "NetworkWithSubnetsView":
        """Return the view of a network with its subnets."""
        return make_view(cls, network, subnets=subnets, **_computed_fields(network, tags, region_name))


class PortWithInstance(Struct, kw_only=True):
    """A port in a network, and its instance."""

    id: str
    instance_id: str
    instance_name: str


class CreateNetwork(CreateTaggedResource, kw_only=True):
    """A network to create, with a router to the external network unless `create_router` is false."""

    name: Name
    create_router: bool = True
    type: NetworkType = "vxlan"


class UpdateNetwork(UpdateResource, kw_only=True):
    """A JSON merge patch (RFC 7386) of a network. Absent fields stay; null removes all tags."""


def _computed_fields(network: Network, tags: Iterable[Tag], region_name: str) -> dict[str, Any]:
    tag_list = tag_views(tags)
    return {
        "default": network.is_default or None,
        "tags": tag_list,
        "metadata": tag_list,
        **common_view_fields(network, region_name),
    }
