"""Routers as the API shows them, and the bodies that make and change them."""

from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from pileus.api.wire.common import common_fields
from pileus.api.wire.constraints import Name, Uuid
from pileus.api.wire.network.ports import IpAssignment
from pileus.api.wire.network.subnets import RouteIn, RouteView
from pileus.domain.errors import invalid
from pileus.domain.network.networks import Route
from pileus.domain.network.ports import AssignedAddress
from pileus.domain.network.routers import Router, RouterInterface, RouterPatch
from pileus.domain.network.subnets import routes


class ExternalGatewayView(Struct, kw_only=True):
    """A router's way out, and the addresses that it has there."""

    network_id: str
    enable_snat: bool
    external_fixed_ips: list[IpAssignment]


class RouterInterfaceView(Struct, kw_only=True):
    """A router's port in a subnet."""

    port_id: str
    network_id: str
    mac_address: str
    ip_assignments: list[IpAssignment]


class RouterView(Struct, kw_only=True):
    """A router; `task_id` is the task that holds it now, `creator_task_id` the one that made it."""

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
    def of(cls, router: Router, legs: Sequence[RouterInterface], region_name: str) -> "RouterView":
        """Show a router."""
        return cls(
            id=router.id,
            name=router.name,
            status=router.status,
            distributed=False,
            external_gateway_info=_gateway(router, legs),
            interfaces=[_interface(leg) for leg in legs if not leg.port.gateway],
            routes=[RouteView.of(route) for route in router.routes],
            **common_fields(router, region_name),
        )


class NewGateway(Struct, kw_only=True):
    """A way out: through the region's usual network (`default`), or through the one that is named (`manual`)."""

    type: Literal["default", "manual"] | None = None
    network_id: Uuid | None = None
    enable_snat: bool = True

    def network(self, usual: str) -> str:
        """The network that it leads to; raises Invalid where none is named though it should be."""
        if self.network_id is not None and self.type != "default":
            return self.network_id
        if self.type == "manual":
            raise invalid(network_id="Field required")
        return usual


class Gateway(Struct, kw_only=True):
    """A way out, through the external network that is named."""

    network_id: Uuid
    type: Literal["manual"] = "manual"
    enable_snat: bool = True


class NewInterface(Struct, kw_only=True):
    """A subnet to join."""

    subnet_id: Uuid
    type: Literal["subnet"] = "subnet"


class CreateRouter(Struct, kw_only=True):
    """A router to make."""

    name: Name
    external_gateway_info: NewGateway | None = None
    interfaces: list[NewInterface] | None = None
    routes: list[RouteIn] | None = None

    def ways(self) -> list[Route]:
        """The routes in the spelling that records use; raises Invalid."""
        return routes(route.route() for route in self.routes or ())


class UpdateRouter(Struct, kw_only=True):
    """What is to change of a router: what is absent stays; a gateway of null is taken away; routes replace all."""

    name: Name | UnsetType = UNSET
    external_gateway_info: Gateway | UnsetType | None = UNSET
    routes: list[RouteIn] | UnsetType = UNSET

    def patch(self) -> RouterPatch:
        """Keep the fields that were sent; raises Invalid."""
        patch = RouterPatch()
        if self.name is not UNSET:
            patch["name"] = self.name
        if self.external_gateway_info is not UNSET:
            patch.update(_led(self.external_gateway_info))
        if self.routes is not UNSET:
            patch["routes"] = routes(route.route() for route in self.routes)
        return patch


class UpdateRouterAndWait(Struct, kw_only=True):
    """What is to change of a router, as older clients say it: what is absent or null stays."""

    name: Name | None = None
    external_gateway_info: Gateway | None = None
    routes: list[RouteIn] | None = None

    def patch(self) -> RouterPatch:
        """Keep the fields that were sent; raises Invalid."""
        sent = {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not None}
        return UpdateRouter(**sent).patch()


class AttachSubnet(Struct, kw_only=True):
    """A subnet to join, and the address that the router is to have there if it is not the gateway's."""

    subnet_id: Uuid
    ip_address: str | None = None


class DetachSubnet(Struct, kw_only=True):
    """A subnet to leave."""

    subnet_id: Uuid


def _led(gateway: Gateway | None) -> RouterPatch:
    if gateway is None:
        return RouterPatch(external_network_id=None)
    return RouterPatch(external_network_id=gateway.network_id, enable_snat=gateway.enable_snat)


def _gateway(router: Router, legs: Iterable[RouterInterface]) -> ExternalGatewayView | None:
    if router.external_network_id is None:
        return None
    outside = [leg for leg in legs if leg.port.gateway and leg.port.network_id == router.external_network_id]
    return ExternalGatewayView(
        network_id=router.external_network_id,
        enable_snat=router.enable_snat,
        external_fixed_ips=[each for leg in outside for each in _assignments(leg.addresses)],
    )


def _interface(leg: RouterInterface) -> RouterInterfaceView:
    return RouterInterfaceView(
        port_id=leg.port.id,
        network_id=leg.port.network_id,
        mac_address=leg.port.mac_address,
        ip_assignments=_assignments(leg.addresses),
    )


def _assignments(lines: Iterable[AssignedAddress]) -> list[IpAssignment]:
    return [IpAssignment(ip_address=line.ip, subnet_id=line.subnet_id) for line in lines]
