"""Routers as the API shows them."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from pileus.api.wire.common import common_view_fields, make_view
from pileus.api.wire.network.interfaces import IpAssignment
from pileus.api.wire.network.subnets import RouteView
from pileus.domain.network.ports import AssignedAddress
from pileus.domain.network.routers import Router, RouterInterface


class ExternalGatewayView(Struct, kw_only=True):
    """A router's external gateway and its addresses there."""

    network_id: str
    enable_snat: bool
    external_fixed_ips: list[IpAssignment]


class RouterInterfaceView(Struct, kw_only=True):
    """A router interface: its port in a subnet."""

    port_id: str
    network_id: str
    mac_address: str
    ip_assignments: list[IpAssignment]


class RouterView(Struct, kw_only=True):
    """A router. `task_id` is the task that has locked it, `creator_task_id` the task that created it."""

    id: str
    name: str
    status: str
    distributed: bool
    external_gateway_info: ExternalGatewayView | None
    interfaces: list[RouterInterfaceView]
    routes: list[RouteView]
    project_id: int
    region: str
    region_id: int
    task_id: str | None
    creator_task_id: str | None
    created_at: str
    updated_at: str

    @classmethod
    def of(cls, router: Router, interfaces: Sequence[RouterInterface], region_name: str) -> "RouterView":
        """Return the view of a router."""
        return make_view(
            cls,
            router,
            distributed=False,
            external_gateway_info=_gateway_view(router, interfaces),
            interfaces=[_interface_view(interface) for interface in interfaces if not interface.port.gateway],
            routes=[RouteView.of(route) for route in router.routes],
            **common_view_fields(router, region_name),
        )


def _gateway_view(router: Router, interfaces: Iterable[RouterInterface]) -> ExternalGatewayView | None:
    if router.external_network_id is None:
        return None
    gateways = [
        interface
        for interface in interfaces
        if interface.port.gateway and interface.port.network_id == router.external_network_id
    ]
    return ExternalGatewayView(
        network_id=router.external_network_id,
        enable_snat=router.enable_snat,
        external_fixed_ips=[ip for interface in gateways for ip in _assignments(interface.addresses)],
    )


def _interface_view(interface: RouterInterface) -> RouterInterfaceView:
    return RouterInterfaceView(
        port_id=interface.port.id,
        network_id=interface.port.network_id,
        mac_address=interface.port.mac_address,
        ip_assignments=_assignments(interface.addresses),
    )


def _assignments(addresses: Iterable[AssignedAddress]) -> list[IpAssignment]:
    return [IpAssignment(ip_address=address.ip, subnet_id=address.subnet_id) for address in addresses]
