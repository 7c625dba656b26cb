"""Request bodies of load balancers."""

from typing import Annotated, Any, Literal, cast

from msgspec import UNSET, Meta, Struct, UnsetType

from pileus.api.wire.constraints import END, IpFamily, Name, Uuid
from pileus.api.wire.legacy import EmptyList, LegacyInput
from pileus.api.wire.load_balancers.listeners import CreateInlineListener
from pileus.api.wire.network.interface_requests import InterfaceFloatingIP
from pileus.api.wire.patches import sent_fields
from pileus.api.wire.tags import NewTags, TagChanges
from pileus.domain import limits
from pileus.domain.errors import invalid
from pileus.domain.load_balancers.load_balancer_orders import LoadBalancerPatch, NewLoadBalancer
from pileus.domain.load_balancers.load_balancers import Logging, LogRetention
from pileus.domain.tags import validate_tags

Connectivity = Literal["L2", "L3"]
FlavorName = Annotated[str, Meta(min_length=1, max_length=255)]
TopicName = Annotated[str, Meta(pattern=r"^[-.a-z0-9]+" + END, min_length=1, max_length=223)]
RegionId = Annotated[int, Meta(ge=0, le=2**31 - 1)]


class LogRetentionPolicy(Struct, kw_only=True):
    """The days for which logs are kept."""

    period: Annotated[int, Meta(gt=0, le=1825)] | None


class LoggingSettings(Struct, kw_only=True):
    """Where the logs would go. The settings are stored: there is no log service."""

    enabled: bool = False
    destination_region_id: RegionId | None = None
    topic_name: TopicName | None = None
    retention_policy: LogRetentionPolicy | None = None

    def to_logging(self) -> Logging:
        """Return the settings. Raises Invalid."""
        topic = self.topic_name
        if topic is not None and not all(_is_label(label) for label in topic.split(".")):
            raise invalid(topic_name="Each part between dots should begin and end with a letter or digit")
        policy = self.retention_policy
        return Logging(
            self.enabled, self.destination_region_id, topic, None if policy is None else LogRetention(policy.period)
        )


class CreateLoadBalancer(Struct, kw_only=True):
    """A load balancer to create. `metadata` is the older name of `tags`."""

    name: Name
    flavor: FlavorName | None = None
    vip_network_id: Uuid | None = None
    vip_subnet_id: Uuid | None = None
    vip_port_id: Uuid | None = None
    vip_ip_family: IpFamily | None = None
    floating_ip: InterfaceFloatingIP | None = None
    preferred_connectivity: Connectivity = "L2"
    logging: LoggingSettings | None = None
    listeners: Annotated[list[CreateInlineListener], Meta(max_length=limits.LOAD_BALANCER_LISTENERS.value)] | None = (
        None
    )
    tags: NewTags | None = None
    metadata: LegacyInput[NewTags | EmptyList] = None

    def to_new_load_balancer(self) -> NewLoadBalancer:
        """Return the load balancer to create. Raises Invalid."""
        return NewLoadBalancer(
            name=self.name,
            flavor_name=self.flavor,
            vip_network_id=self.vip_network_id,
            vip_subnet_id=self.vip_subnet_id,
            vip_port_id=self.vip_port_id,
            vip_ip_family=self.vip_ip_family,
            floating_ip=self.floating_ip.to_floating_ip_choice() if self.floating_ip is not None else None,
            preferred_connectivity=self.preferred_connectivity,
            logging=self.logging.to_logging() if self.logging else Logging(),
            tags=validate_tags(dict(self.tags or self.metadata or ())),
            listeners=[listener.to_new_listener() for listener in self.listeners or ()],
        )


class UpdateLoadBalancerRecord(Struct, kw_only=True):
    """A JSON merge patch (RFC 7386)."""

    name: Name | UnsetType = UNSET
    preferred_connectivity: Connectivity | UnsetType = UNSET
    logging: LoggingSettings | UnsetType = UNSET
    tags: TagChanges | UnsetType | None = UNSET

    def to_patch(self) -> LoadBalancerPatch:
        """Return the fields that were sent, with valid tags. Raises Invalid."""
        patch: dict[str, Any] = sent_fields(self)
        if self.tags is not UNSET:
            patch["tags"] = None if self.tags is None else validate_tags(self.tags)
        if self.logging is not UNSET:
            patch["logging"] = self.logging.to_logging()
        return cast("LoadBalancerPatch", patch)


class UpdateLoadBalancer(UpdateLoadBalancerRecord, kw_only=True):
    """A JSON merge patch (RFC 7386)."""

    admin_state_up: bool | UnsetType = UNSET


class ResizeLoadBalancer(Struct, kw_only=True):
    """The name of the new flavor."""

    flavor: FlavorName


class FailOverLoadBalancer(Struct, kw_only=True):
    """Whether the status of the load balancer is not checked."""

    force: bool = False


def _is_label(text: str) -> bool:
    return bool(text) and text[0] != "-" and text[-1] != "-"
