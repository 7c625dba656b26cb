"""Interfaces of instances as the API shows them."""

from collections.abc import Iterable

from msgspec import Struct

from pileus.api.wire.common import make_view
from pileus.api.wire.network.floating_ips import FloatingIPView
from pileus.api.wire.network.networks import NetworkWithSubnetsView
from pileus.api.wire.network.ports import AllowedAddressPairView
from pileus.domain.network.ports import AssignedAddress, Port


class IpAssignment(Struct, kw_only=True):
    """An address of a port."""

    ip_address: str
    subnet_id: str


class InterfaceView(Struct, kw_only=True):
    """An interface of an instance, with its network and floating IPs."""

    port_id: str
    interface_name: str | None
    mac_address: str | None
    network_id: str
    port_security_enabled: bool
    ip_assignments: list[IpAssignment]
    allowed_address_pairs: list[AllowedAddressPairView]
    network_details: NetworkWithSubnetsView
    floatingip_details: list[FloatingIPView]

    @classmethod
    def of(
        cls,
        port: Port,
        addresses: Iterable[AssignedAddress],
        network_details: NetworkWithSubnetsView,
        floating_ips: list[FloatingIPView],
    ) -> "InterfaceView":
        """Return the view of a port as an interface."""
        return make_view(
            cls,
            port,
            port_id=port.id,
            ip_assignments=[IpAssignment(ip_address=address.ip, subnet_id=address.subnet_id) for address in addresses],
            allowed_address_pairs=[AllowedAddressPairView.of(pair) for pair in port.allowed_address_pairs],
            network_details=network_details,
            floatingip_details=floating_ips,
        )
