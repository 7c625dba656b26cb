"""Networks and their subnets as an interface shows them."""

from collections.abc import Iterable

from msgspec import Struct

from pileus.api.wire.tags import TagView, shown
from pileus.api.wire.times import offset
from pileus.domain.networks import Network, Route, Subnet
from pileus.domain.tags import Tag


class RouteView(Struct, kw_only=True):
    """A route that hosts are told."""

    destination: str
    nexthop: str

    @classmethod
    def of(cls, route: Route) -> "RouteView":
        """Show a route."""
        return cls(destination=route.destination, nexthop=route.nexthop)


class SubnetView(Struct, kw_only=True):
    """A subnet; `available_ips` is null where it was not counted."""

    id: str
    name: str
    network_id: str
    cidr: str
    ip_version: int
    gateway_ip: str | None
    enable_dhcp: bool
    dns_nameservers: list[str] | None
    host_routes: list[RouteView] | None
    has_router: bool
    available_ips: int | None
    total_ips: int | None
    tags: list[TagView]
    project_id: int
    region: str
    region_id: int
    task_id: str | None
    creator_task_id: str | None
    created_at: str
    updated_at: str

    @classmethod
    def of(
        cls, subnet: Subnet, tags: Iterable[Tag], region_name: str, project_id: int, available: int | None = None
    ) -> "SubnetView":
        """Show a subnet; one that belongs to nobody appears as the caller's project's own."""
        return cls(
            id=subnet.id,
            name=subnet.name,
            network_id=subnet.network_id,
            cidr=subnet.cidr,
            ip_version=subnet.ip_version,
            gateway_ip=subnet.gateway_ip,
            enable_dhcp=subnet.enable_dhcp,
            dns_nameservers=subnet.dns_nameservers or [],
            host_routes=[RouteView.of(route) for route in subnet.host_routes],
            has_router=False,
            available_ips=available,
            total_ips=subnet.total,
            tags=shown(tags),
            project_id=subnet.project_id or project_id,
            region=region_name,
            region_id=subnet.region_id,
            task_id=subnet.task_id,
            creator_task_id=subnet.creator_task_id,
            created_at=offset(subnet.created_at),
            updated_at=offset(subnet.updated_at),
        )


class NetworkDetails(Struct, kw_only=True):
    """A network with its subnets."""

    id: str
    name: str
    type: str
    mtu: int
    segmentation_id: int | None
    external: bool
    shared: bool
    default: bool | None
    port_security_enabled: bool
    subnets: list[SubnetView]
    tags: list[TagView]
    project_id: int | None
    region: str
    region_id: int
    task_id: str | None
    creator_task_id: str | None
    created_at: str
    updated_at: str

    @classmethod
    def of(cls, network: Network, subnets: list[SubnetView], tags: Iterable[Tag], region_name: str) -> "NetworkDetails":
        """Show a network with its subnets."""
        return cls(
            id=network.id,
            name=network.name,
            type=network.type,
            mtu=network.mtu,
            segmentation_id=network.segmentation_id,
            external=network.external,
            shared=network.shared,
            default=network.is_default,
            port_security_enabled=network.port_security_enabled,
            subnets=subnets,
            tags=shown(tags),
            project_id=network.project_id,
            region=region_name,
            region_id=network.region_id,
            task_id=network.task_id,
            creator_task_id=network.creator_task_id,
            created_at=offset(network.created_at),
            updated_at=offset(network.updated_at),
        )
