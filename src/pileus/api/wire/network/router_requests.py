"""Request bodies of routers."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from pileus.api.wire.constraints import Name, Uuid
from pileus.api.wire.network.subnet_requests import NewRoute
from pileus.domain import limits
from pileus.domain.network.routers import NewExternalGateway, NewRouter, RouterPatch
from pileus.domain.network.subnets import normalize_routes

RouterRoutes = Annotated[list[NewRoute], Meta(max_length=limits.ROUTER_ROUTES.value)]


class CreateExternalGateway(Struct, kw_only=True):
    """The external gateway: in the region's external network (`default`), or in the network `network_id` (`manual`)."""

    type: Literal["default", "manual"] | None = None
    network_id: Uuid | None = None
    enable_snat: bool = True

    def to_new_gateway(self) -> NewExternalGateway:
        """Return the gateway to create."""
        return NewExternalGateway(type=self.type, network_id=self.network_id, enable_snat=self.enable_snat)


class UpdateExternalGateway(Struct, kw_only=True):
    """The external gateway, in the external network `network_id`."""

    network_id: Uuid
    type: Literal["manual"] = "manual"
    enable_snat: bool = True


class NewRouterInterface(Struct, kw_only=True):
    """A subnet to attach."""

    subnet_id: Uuid
    type: Literal["subnet"] = "subnet"


class CreateRouter(Struct, kw_only=True):
    """A router to create."""

    name: Name
    external_gateway_info: CreateExternalGateway | None = None
    interfaces: Annotated[list[NewRouterInterface], Meta(max_length=limits.ROUTER_INTERFACES.value)] | None = None
    routes: RouterRoutes | None = None

    def to_new_router(self) -> NewRouter:
        """Return the router to create."""
        gateway = self.external_gateway_info
        return NewRouter(
            name=self.name,
            external_gateway=gateway.to_new_gateway() if gateway else None,
            subnet_ids=[interface.subnet_id for interface in self.interfaces or ()],
            routes=[route.to_route() for route in self.routes or ()],
        )


class UpdateRouter(Struct, kw_only=True):
    """Changes to a router. Absent fields stay; a gateway of null is removed; `routes` replace all routes."""

    name: Name | UnsetType = UNSET
    external_gateway_info: UpdateExternalGateway | UnsetType | None = UNSET
    routes: RouterRoutes | UnsetType = UNSET

    def to_patch(self) -> RouterPatch:
        """Return the fields of the request. Raises Invalid."""
        patch = RouterPatch()
        if self.name is not UNSET:
            patch["name"] = self.name
        if self.external_gateway_info is not UNSET:
            patch.update(_gateway_patch(self.external_gateway_info))
        if self.routes is not UNSET:
            patch["routes"] = normalize_routes("routes", (route.to_route() for route in self.routes))
        return patch


class UpdateRouterAndWait(Struct, kw_only=True):
    """Changes to a router, as version 1 takes them: absent and null fields stay."""

    name: Name | None = None
    external_gateway_info: UpdateExternalGateway | None = None
    routes: RouterRoutes | None = None

    def to_patch(self) -> RouterPatch:
        """Return the fields of the request. Raises Invalid."""
        fields = {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not None}
        return UpdateRouter(**fields).to_patch()


class AttachSubnetToRouter(Struct, kw_only=True):
    """A subnet to attach, and the router's address there, by default the subnet's gateway."""

    subnet_id: Uuid
    ip_address: str | None = None


class DetachSubnetFromRouter(Struct, kw_only=True):
    """A subnet to detach."""

    subnet_id: Uuid


def _gateway_patch(gateway: UpdateExternalGateway | None) -> RouterPatch:
    if gateway is None:
        return RouterPatch(external_network_id=None)
    return RouterPatch(external_network_id=gateway.network_id, enable_snat=gateway.enable_snat)
