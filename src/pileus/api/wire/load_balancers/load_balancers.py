"""Load balancers as the API shows them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct

from pileus.api.wire.common import common_view_fields, make_view
from pileus.api.wire.legacy import LegacyField
from pileus.api.wire.load_balancers.stats import StatsView
from pileus.api.wire.network.ddos_profiles import DdosProfileView
from pileus.api.wire.network.floating_ips import FloatingIPView
from pileus.api.wire.tags import TagView, tag_views
from pileus.domain.ip_addresses import ip_address
from pileus.domain.load_balancers.flavors import LoadBalancerFlavor
from pileus.domain.load_balancers.load_balancers import LoadBalancer, Logging
from pileus.domain.network.ports import AssignedAddress
from pileus.domain.tags import Tag

LoadBalancerOrder = Literal[
    "created_at.asc", "created_at.desc", "flavor.asc", "flavor.desc", "name.asc", "name.desc", "operating_status.asc",
    "operating_status.desc", "provisioning_status.asc", "provisioning_status.desc", "updated_at.asc",
    "updated_at.desc", "vip_address.asc", "vip_address.desc", "vip_ip_family.asc", "vip_ip_family.desc",
]  # fmt: skip


OperatingStatusName = Literal["DEGRADED", "DRAINING", "ERROR", "NO_MONITOR", "OFFLINE", "ONLINE"]
ProvisioningStatusName = Literal["ACTIVE", "DELETED", "ERROR", "PENDING_CREATE", "PENDING_DELETE", "PENDING_UPDATE"]


class LoadBalancerFlavorView(Struct, kw_only=True):
    """A flavor of load balancers; `ram` is in MiB."""

    flavor_id: str
    flavor_name: str
    vcpus: int
    ram: int

    @classmethod
    def of(cls, flavor: LoadBalancerFlavor) -> "LoadBalancerFlavorView":
        """Return the view of a flavor."""
        return cls(flavor_id=flavor.id, flavor_name=flavor.name, vcpus=flavor.vcpus, ram=flavor.ram)


class ListenerIdView(Struct, kw_only=True):
    """The id of a listener."""

    id: str


class FixedAddressView(Struct, kw_only=True):
    """An address, and its subnet."""

    ip_address: str
    subnet_id: str


class VrrpAddressView(FixedAddressView, kw_only=True):
    """An address of one of the two machines."""

    role: str


class LogRetentionView(Struct, kw_only=True):
    """The days for which logs are kept."""

    period: int | None


class LoggingView(Struct, kw_only=True):
    """Where the logs would go. The settings are stored: there is no log service."""

    enabled: bool
    destination_region_id: int | None
    topic_name: str | None
    retention_policy: LogRetentionView | None

    @classmethod
    def of(cls, logging: Logging) -> "LoggingView":
        """Return the view of the settings of logging."""
        policy = logging.retention_policy
        return make_view(cls, logging, retention_policy=policy and LogRetentionView(period=policy.period))


class LoadBalancerContents(Struct, frozen=True, kw_only=True):
    """What a view shows of a load balancer beside its record."""

    operating_status: str
    flavor: LoadBalancerFlavor | None
    listener_ids: Sequence[str]
    vip_addresses: Sequence[AssignedAddress]
    machine_addresses: Sequence[tuple[str, AssignedAddress]]
    """Roles and addresses of the machines."""
    floating_ips: Sequence[FloatingIPView]
    tags: Iterable[Tag]
    stats: StatsView | None = None
    ddos_profile: DdosProfileView | None = None


class LoadBalancerView(Struct, kw_only=True):
    """A load balancer. `flavor` is null if it is not offered any more."""

    id: str
    name: str
    flavor: LoadBalancerFlavorView | None
    vip_address: str
    vip_port_id: str
    vip_ip_family: str
    vip_fqdn: str | None
    additional_vips: list[FixedAddressView]
    vrrp_ips: list[VrrpAddressView]
    floating_ips: list[FloatingIPView]
    listeners: list[ListenerIdView]
    preferred_connectivity: str
    logging: LoggingView
    admin_state_up: bool
    operating_status: str
    provisioning_status: str
    stats: StatsView | None
    ddos_profile: DdosProfileView | None
    tags_v2: list[TagView]
    project_id: int
    region: str
    region_id: int
    task_id: str | None
    creator_task_id: str | None
    created_at: str
    updated_at: str
    metadata: LegacyField[list[TagView]]

    @classmethod
    def of(cls, load_balancer: LoadBalancer, contents: LoadBalancerContents, region_name: str) -> "LoadBalancerView":
        """Return the view of a load balancer."""
        tags = tag_views(contents.tags)
        return make_view(
            cls,
            load_balancer,
            **_address_fields(load_balancer, contents),
            flavor=contents.flavor and LoadBalancerFlavorView.of(contents.flavor),
            vip_fqdn=None,
            floating_ips=list(contents.floating_ips),
            listeners=[ListenerIdView(id=listener_id) for listener_id in contents.listener_ids],
            logging=LoggingView.of(load_balancer.logging),
            operating_status=contents.operating_status,
            stats=contents.stats,
            ddos_profile=contents.ddos_profile,
            tags_v2=tags,
            metadata=tags,
            **common_view_fields(load_balancer, region_name),
        )


def _address_fields(load_balancer: LoadBalancer, contents: LoadBalancerContents) -> Mapping[str, Any]:
    return {
        "additional_vips": [
            FixedAddressView(ip_address=line.ip, subnet_id=line.subnet_id)
            for line in contents.vip_addresses
            if line.ip != load_balancer.vip_address
        ],
        "vrrp_ips": [
            VrrpAddressView(ip_address=line.ip, subnet_id=line.subnet_id, role=role)
            for role, line in sorted(contents.machine_addresses, key=_machine_order)
        ],
    }


def _machine_order(item: tuple[str, AssignedAddress]) -> tuple[bool, str, int, int]:
    role, line = item
    address = ip_address(line.ip)
    return role != "MASTER", line.subnet_id, address.version, int(address)
