"""Compares a cloud with a catalogue: what the driver would miss there."""

from collections.abc import Collection, Iterator

from pileus.domain.catalogue import Catalogue
from pileus.drivers.openstack.cloud import OpenstackCloud
from pileus.drivers.openstack.octavia.changes import SERVICE
from pileus.drivers.openstack.octavia.flavors import list_flavor_names
from pileus.drivers.openstack.offers import CloudOffer, list_offer

EXTENSIONS = {
    "router": "routers and floating IPs",
    "ext-gw-mode": "routers without address translation",
    "security-group": "security groups",
    "port-security": "interfaces without port security",
    "allowed-address-pairs": "allowed address pairs",
    "standard-attr-description": "descriptions, by which the driver finds ports and floating IPs",
}
"""What the network service must support, and for what."""


async def find_missing(cloud: OpenstackCloud, catalogue: Catalogue) -> list[str]:
    """Return what a catalogue names and a cloud has not, one line each. Raises DriverError."""
    offer = await list_offer(cloud)
    missing = [
        *_missing_flavors(offer, catalogue),
        *_missing_names("volume type", [item.name for item in catalogue.volume_types], offer.volume_types),
        *_missing_names("public image", [image.name for image in catalogue.images], offer.images),
        *_missing_networks(offer, catalogue),
        *(
            f"network extension {name}: needed for {use}"
            for name, use in EXTENSIONS.items()
            if name not in offer.extensions
        ),
    ]
    if not await cloud.has_role("admin"):
        missing.append("role admin: needed to choose the addresses of floating IPs and of external interfaces")
    return missing


async def find_notes(cloud: OpenstackCloud, catalogue: Catalogue) -> list[str]:
    """Return what load balancers will not have or be in a cloud, one line each. Raises DriverError."""
    if not await cloud.has_service(SERVICE):
        return ["the cloud has no Octavia: load balancers are refused"]
    flavors = await list_flavor_names(cloud)
    return [
        f"Octavia has no flavor {flavor.name}: such load balancers have the size that their provider chooses"
        for flavor in catalogue.load_balancer_flavors
        if flavor.name not in flavors
    ]


def _missing_flavors(offer: CloudOffer, catalogue: Catalogue) -> Iterator[str]:
    for flavor in catalogue.flavors:
        size = offer.flavors.get(flavor.id)
        if size is None:
            yield f"flavor {flavor.id}"
        elif size != (flavor.vcpus, flavor.ram):
            yield f"flavor {flavor.id}: it has {size[0]} vCPUs and {size[1]} MiB, not {flavor.vcpus} and {flavor.ram}"


def _missing_names(noun: str, names: list[str], offered: Collection[str]) -> Iterator[str]:
    return (f"{noun} {name}" for name in names if name not in offered)


def _missing_networks(offer: CloudOffer, catalogue: Catalogue) -> Iterator[str]:
    for network in catalogue.networks:
        if network.name not in offer.networks:
            yield f"external network {network.name}"
            continue
        ranges = {subnet.cidr for subnet in offer.networks[network.name]}
        yield from (
            f"subnet {subnet.cidr} of external network {network.name}"
            for subnet in network.subnets
            if subnet.cidr not in ranges
        )
