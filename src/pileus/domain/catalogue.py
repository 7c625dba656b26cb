"""The catalogue: what an operator offers (flavors, images, prices, quotas, external networks), parsed from TOML.

It is the same for all tenants and does not change while the server runs, so it is kept in memory.
Public images and external networks are database records too, because instances refer to them. Their ids are derived
from their names, so that each start and each process computes the same ids.
"""

import tomllib
from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field
from msgspec.structs import asdict, replace

from pileus.domain.account.regions import Region
from pileus.domain.catalogue_checks import find_catalogue_errors
from pileus.domain.compute.app_templates import AppTemplate
from pileus.domain.compute.flavors import Flavor
from pileus.domain.compute.images import Image
from pileus.domain.errors import Invalid
from pileus.domain.ids import derive_catalogue_id
from pileus.domain.ip_addresses import ip_network
from pileus.domain.load_balancers.flavors import LoadBalancerFlavor
from pileus.domain.network.ddos_profiles import DdosTemplate
from pileus.domain.network.networks import Network, Subnet, canonical_ip
from pileus.domain.network.security_group_policies import SecurityGroupPolicy
from pileus.domain.storage.volume_types import VolumeType

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def derive_public_image_id(region_id: int, name: str) -> str:
    """Return the id of a public image, derived from its name."""
    return derive_catalogue_id(f"image/{region_id}/{name}")


def derive_external_network_id(region_id: int, name: str) -> str:
    """Return the id of an external network, derived from its name."""
    return derive_catalogue_id(f"network/{region_id}/{name}")


def derive_external_subnet_id(region_id: int, network: str, name: str) -> str:
    """Return the id of a subnet of an external network, derived from its name."""
    return derive_catalogue_id(f"subnet/{region_id}/{network}/{name}")


class Prices(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Prices of what has no flavor and no volume type, without taxes."""

    floating_ip_per_hour: Decimal = Decimal(0)
    external_ip_per_hour: Decimal = Decimal(0)
    snapshot_per_gib_month: Decimal = Decimal(0)
    image_per_gib_month: Decimal = Decimal(0)
    standard_file_share_per_gib_month: Decimal = Decimal(0)
    vast_file_share_per_gib_month: Decimal = Decimal(0)
    ddos_profile_per_hour: Decimal = Decimal(0)
    egress_virtual_per_gb: Decimal = Decimal(0)
    egress_baremetal_per_gb: Decimal = Decimal(0)
    tax_percent: Decimal = Decimal(0)


class PublicImage(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An image that all tenants can use, in each region."""

    name: str
    description: str | None = None
    size: int
    min_disk: int = 0
    min_ram: int = 0
    os_distro: str
    os_type: Literal["linux", "windows"] = "linux"
    os_version: str
    architecture: Literal["x86_64", "aarch64"] = "x86_64"
    ssh_key: Literal["allow", "deny", "required"] = "allow"
    disk_format: str = "qcow2"
    display_order: int | None = None
    is_baremetal: bool = False
    hw_firmware_type: Literal["bios", "uefi"] | None = None
    hw_machine_type: Literal["i440", "q35"] | None = None
    file: str | None = None
    """Path of the image on the host, for drivers that run real machines."""


def _public_fields(image: PublicImage) -> dict[str, Any]:
    """Return the fields that tenants may see: all but the path on the host."""
    fields = asdict(image)
    del fields["file"]
    return fields


class ExternalSubnet(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A range of public addresses."""

    name: str
    cidr: str
    gateway_ip: str | None = None
    enable_dhcp: bool = True
    dns_nameservers: list[str] | None = None


class ExternalNetwork(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An external network. The first of the catalogue provides floating IPs and external addresses."""

    name: str
    type: str = "vlan"
    mtu: int = 1500
    segmentation_id: int | None = None
    subnets: Annotated[list[ExternalSubnet], Meta(min_length=1)]


class SimulatedHosts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The hosts of the simulated cloud."""

    count: Annotated[int, Meta(ge=1, le=100_000)] = 16


class Catalogue(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """The whole catalogue. Lookups by id or name take constant time."""

    currency: Literal["AZN", "EUR", "USD"]
    default_region: int
    regions: Annotated[list[Region], Meta(min_length=1)]
    flavors: Annotated[list[Flavor], Meta(min_length=1)]
    volume_types: Annotated[list[VolumeType], Meta(min_length=1)]
    images: list[PublicImage]
    networks: Annotated[list[ExternalNetwork], Meta(min_length=1)]
    load_balancer_flavors: list[LoadBalancerFlavor] = field(default_factory=list)
    app_templates: list[AppTemplate] = field(default_factory=list)
    ddos_templates: list[DdosTemplate] = field(default_factory=list)
    prices: Prices = field(default_factory=Prices)
    servers: SimulatedHosts = field(default_factory=SimulatedHosts)
    quotas: dict[str, int] = field(default_factory=dict)
    security_groups: SecurityGroupPolicy = field(default_factory=SecurityGroupPolicy)

    def with_regions(self, region_ids: Collection[int]) -> "Catalogue":
        """Return the catalogue with some of its regions only."""
        return replace(self, regions=[region for region in self.regions if region.id in region_ids])

    def region(self, region_id: int) -> Region | None:
        """Return the region of that id."""
        return self._regions.get(region_id)

    def flavor(self, flavor_id: str) -> Flavor | None:
        """Return the flavor of that id, whether it is still offered or not."""
        return self.offered_flavor(flavor_id)

    def offered_flavor(self, flavor_id: str) -> Flavor | None:
        """Return the flavor of that id if new servers can have it."""
        return self._flavors.get(flavor_id)

    def load_balancer_flavor(self, name: str) -> LoadBalancerFlavor | None:
        """Return the flavor of load balancers of that name."""
        return self._load_balancer_flavors.get(name)

    @cached_property
    def sorted_load_balancer_flavors(self) -> list[LoadBalancerFlavor]:
        """The flavors of load balancers, the smallest first."""
        return sorted(self.load_balancer_flavors, key=lambda flavor: (flavor.vcpus, flavor.ram, flavor.name))

    def volume_type(self, name: str) -> VolumeType | None:
        """Return the volume type of that name."""
        return self._volume_types.get(name)

    def app_template(self, template_id: str) -> AppTemplate | None:
        """Return the app template of that id."""
        return self._app_templates.get(template_id)

    def ddos_template(self, template_id: int) -> DdosTemplate | None:
        """Return the DDoS template of that id."""
        return self._ddos_templates.get(template_id)

    def volume_types_by_name(self, region: Region) -> dict[str, VolumeType]:
        """Return the volume types that a region offers, by name."""
        return {name: self._volume_types[name] for name in region.available_volume_types}

    def external_network_id(self, region_id: int) -> str:
        """Return the id of the network that provides a region's floating IPs and external addresses."""
        return derive_external_network_id(region_id, self.networks[0].name)

    def public_image_records(self, region_id: int, now: int) -> list[Image]:
        """Return the records of the public images in a region."""
        return [
            Image(
                id=derive_public_image_id(region_id, image.name),
                region_id=region_id,
                visibility="public",
                created_at=now,
                updated_at=now,
                **_public_fields(image),
            )
            for image in self.images
        ]

    def external_network_records(self, region_id: int, now: int) -> list[tuple[Network, list[Subnet]]]:
        """Return the records of the external networks in a region, each with its subnets."""
        return [_network_record(network, region_id, now) for network in self.networks]

    @cached_property
    def _regions(self) -> dict[int, Region]:
        return {region.id: region for region in self.regions}

    @cached_property
    def _flavors(self) -> dict[str, Flavor]:
        return {flavor.id: flavor for flavor in self.flavors}

    @cached_property
    def _load_balancer_flavors(self) -> dict[str, LoadBalancerFlavor]:
        return {flavor.name: flavor for flavor in self.load_balancer_flavors}

    @cached_property
    def _volume_types(self) -> dict[str, VolumeType]:
        return {volume_type.name: volume_type for volume_type in self.volume_types}

    @cached_property
    def _app_templates(self) -> dict[str, AppTemplate]:
        return {template.id: template for template in self.app_templates}

    @cached_property
    def _ddos_templates(self) -> dict[int, DdosTemplate]:
        return {template.id: template for template in self.ddos_templates}


class CatalogueWithFormerFlavors(Catalogue, frozen=True, kw_only=True, dict=True):
    """A catalogue with the flavors that it no longer offers, because servers may still have them."""

    former_flavors: dict[str, Flavor]

    def flavor(self, flavor_id: str) -> Flavor | None:
        """Return the flavor of that id, whether it is still offered or not."""
        return self.offered_flavor(flavor_id) or self.former_flavors.get(flavor_id)


def parse_catalogue(text: str) -> Catalogue:
    """Parse a catalogue from TOML. Raises Invalid with the path of each wrong key."""
    try:
        catalogue = msgspec.convert(_to_plain(tomllib.loads(text)), Catalogue)
    except tomllib.TOMLDecodeError as error:
        raise invalid_catalogue({"toml": [str(error)]}) from error
    except msgspec.ValidationError as error:
        raise invalid_catalogue(_error_by_path(str(error))) from error
    if errors := find_catalogue_errors(catalogue):
        raise invalid_catalogue(errors)
    return catalogue


def invalid_catalogue(fields: dict[str, list[str]]) -> Invalid:
    """Return the error of a catalogue, with what is wrong at each path."""
    details = "; ".join(f"{path}: {', '.join(texts)}" for path, texts in fields.items())
    return Invalid(f"The catalogue is wrong: {details}", fields)


def _error_by_path(error: str) -> dict[str, list[str]]:
    text, _, path = error.partition(" - at `$.")
    return {path.rstrip("`") or "catalogue": [text.replace("`", "'")]}


def _to_plain(value: Any) -> Any:
    """Convert TOML dates to microseconds, as in records. A date without a zone is in UTC."""
    if isinstance(value, dict):
        return {key: _to_plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_to_plain(inner) for inner in value]
    if isinstance(value, date):
        moment = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day, tzinfo=UTC)
        return (moment.replace(tzinfo=moment.tzinfo or UTC) - EPOCH) // timedelta(microseconds=1)
    return value


def _network_record(network: ExternalNetwork, region_id: int, now: int) -> tuple[Network, list[Subnet]]:
    fields = asdict(network)
    del fields["subnets"]
    record = Network(
        id=derive_external_network_id(region_id, network.name),
        region_id=region_id,
        external=True,
        created_at=now,
        updated_at=now,
        **fields,
    )
    return record, [_subnet_record(subnet, network.name, region_id, now) for subnet in network.subnets]


def _subnet_record(subnet: ExternalSubnet, network_name: str, region_id: int, now: int) -> Subnet:
    gateway_ip = canonical_ip(subnet.gateway_ip) if subnet.gateway_ip else None
    canonical = replace(subnet, cidr=str(ip_network(subnet.cidr)), gateway_ip=gateway_ip)
    return Subnet(
        id=derive_external_subnet_id(region_id, network_name, subnet.name),
        region_id=region_id,
        network_id=derive_external_network_id(region_id, network_name),
        ip_version=ip_network(subnet.cidr).version,
        created_at=now,
        updated_at=now,
        **asdict(canonical),
    )
