"""OpenStack's `network_data.json`: the interfaces of a guest and how it configures them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_network
from typing import Any

from pileus.drivers.protocols.network import NicSpec, SubnetSpec
from pileus.drivers.qemu.interface_configs import AddressConfig, address_configs


def network_data(
    nics: Sequence[NicSpec], subnets: Iterable[SubnetSpec], mtus: Mapping[str, int]
) -> dict[str, list[dict[str, Any]]]:
    """Return the document; `mtus` are by network id."""
    known_subnets = list(subnets)
    configs = [(nic, config) for nic in nics for config in address_configs(nic, known_subnets)]
    networks = [{"id": f"network{number}", **_network(*pair)} for number, pair in enumerate(configs)]
    services = {service["address"]: service for network in networks for service in network.get("services", ())}
    links = [_link(nic, mtus.get(nic.network_id)) for nic in nics]
    return {"links": links, "networks": networks, "services": list(services.values())}


def _link(nic: NicSpec, mtu: int | None) -> dict[str, Any]:
    identity = {"id": nic.port_id, "vif_id": nic.port_id, "type": "phy"}
    return {**identity, "mtu": mtu, "ethernet_mac_address": nic.mac_address}


def _network(nic: NicSpec, config: AddressConfig) -> dict[str, Any]:
    names = {"link": nic.port_id, "network_id": nic.network_id}
    if config.dhcp:
        return {"type": f"ipv{config.version}_dhcp", **names}
    return {
        "type": f"ipv{config.version}",
        **names,
        "ip_address": config.address,
        "netmask": str(ip_network(f"{config.address}/{config.prefix_length}", strict=False).netmask),
        "routes": list(_routes(config)),
        "services": [{"type": "dns", "address": server} for server in config.name_servers],
    }


def _routes(config: AddressConfig) -> Iterator[dict[str, str]]:
    for route in config.routes:
        network = ip_network(route.destination)
        yield {"network": str(network.network_address), "netmask": str(network.netmask), "gateway": route.nexthop}
