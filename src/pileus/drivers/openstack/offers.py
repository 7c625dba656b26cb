"""What an OpenStack cloud offers: flavors, volume types, public images and external networks."""

from typing import Any

from msgspec import Struct

from pileus.drivers.openstack.catalogue_names import EXTERNAL, IMAGES, NETWORKS
from pileus.drivers.openstack.cloud import Json, OpenstackCloud
from pileus.drivers.openstack.cloud_lists import CloudList, list_items

PUBLIC_IMAGES = {"visibility": "public", "status": "active", "limit": "1000"}
ARCHITECTURES = {"aarch64": "aarch64", "arm64": "aarch64"}


class OfferedSubnet(Struct, frozen=True, kw_only=True):
    """A subnet of an external network."""

    name: str
    cidr: str
    gateway_ip: str | None
    enable_dhcp: bool
    dns_nameservers: list[str]


class CloudOffer(Struct, frozen=True, kw_only=True):
    """All that a cloud offers, by name; flavors with vCPUs and MiB."""

    flavors: dict[str, tuple[int, int]]
    volume_types: list[str]
    images: dict[str, Json]
    networks: dict[str, list[OfferedSubnet]]
    extensions: set[str]


async def list_offer(cloud: OpenstackCloud) -> CloudOffer:
    """Ask a cloud what it offers. Raises DriverError."""
    flavors = await list_items(cloud, CloudList("compute", "/flavors/detail", "flavors"), {})
    types = await list_items(cloud, CloudList("block-storage", "/types", "volume_types"), {})
    images = await list_items(cloud, IMAGES, PUBLIC_IMAGES)
    networks = await list_items(cloud, NETWORKS, {EXTERNAL: "true"})
    extensions = (await cloud.get("network", "/extensions"))["extensions"]
    return CloudOffer(
        flavors={flavor["name"]: (flavor["vcpus"], flavor["ram"]) for flavor in flavors},
        volume_types=[item["name"] for item in types if not item["name"].startswith("__")],
        images={image["name"]: image for image in images},
        networks={network["name"]: await _list_subnets(cloud, network["id"]) for network in networks},
        extensions={extension["alias"] for extension in extensions},
    )


async def _list_subnets(cloud: OpenstackCloud, network_id: str) -> list[OfferedSubnet]:
    subnets = await list_items(cloud, CloudList("network", "/subnets", "subnets"), {"network_id": network_id})
    return [
        OfferedSubnet(
            name=subnet["name"] or subnet["id"],
            cidr=subnet["cidr"],
            gateway_ip=subnet["gateway_ip"],
            enable_dhcp=subnet["enable_dhcp"],
            dns_nameservers=subnet["dns_nameservers"],
        )
        for subnet in subnets
    ]


def catalogue_sections(offer: CloudOffer, region_name: str) -> dict[str, Any]:
    """Return the sections of a catalogue with one region, as in its file. Prices are zero."""
    region = {
        "id": 1,
        "display_name": region_name,
        "slug": region_name.lower(),
        "keystone_name": region_name,
        "keystone_id": 1,
        "country": "LU",
        "created_at": 0,
        "vlan_physical_network": "vlan",
        "available_volume_types": sorted(offer.volume_types),
        "has_basic_vm": True,
        "has_kvm": True,
    }
    return {
        "default_region": 1,
        "regions": [region],
        "flavors": [
            {"id": name, "vcpus": vcpus, "ram": ram, "price_per_hour": "0"}
            for name, (vcpus, ram) in sorted(offer.flavors.items())
        ],
        "volume_types": [
            {"name": name, "price_per_gib_month": "0", "max_iops": 0, "max_mbps": 0, "snapshots": True}
            for name in sorted(offer.volume_types)
        ],
        "images": [_image_section(name, image) for name, image in sorted(offer.images.items())],
        "networks": [
            {"name": name, "subnets": [_subnet_section(subnet) for subnet in subnets]}
            for name, subnets in sorted(offer.networks.items())
            if subnets
        ],
    }


def _image_section(name: str, image: Json) -> dict[str, Any]:
    # OpenStack need not know the system of an image; its name usually tells.
    return {
        "name": name,
        "size": image["size"],
        "min_disk": image["min_disk"],
        "min_ram": image["min_ram"],
        "os_type": "windows" if image.get("os_type") == "windows" else "linux",
        "os_distro": image.get("os_distro") or name.partition("-")[0],
        "os_version": image.get("os_version") or "",
        "architecture": ARCHITECTURES.get(image.get("hw_architecture") or image.get("architecture") or "", "x86_64"),
        "disk_format": image["disk_format"],
    }


def _subnet_section(subnet: OfferedSubnet) -> dict[str, Any]:
    section: dict[str, Any] = {"name": subnet.name, "cidr": subnet.cidr, "enable_dhcp": subnet.enable_dhcp}
    if subnet.gateway_ip:
        section["gateway_ip"] = subnet.gateway_ip
    if subnet.dns_nameservers:
        section["dns_nameservers"] = subnet.dns_nameservers
    return section
