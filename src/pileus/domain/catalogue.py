"""The catalogue: what an operator offers (sizes, images, prices, quotas, the external network), parsed from TOML.

It is the same for all tenants and does not change while the server runs, so it is held in memory, not in the database.
Public images and external networks are records too, because instances refer to them: their ids are made from their
names, so that each start, and each process, gives them the same.
"""

import tomllib
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from ipaddress import ip_network
from typing import Annotated, Any, Literal
from uuid import UUID, uuid5

import msgspec
from msgspec import Meta, Struct, field

from pileus.domain.account.regions import Region
from pileus.domain.catalogue_checks import find_errors
from pileus.domain.compute.app_templates import AppTemplate
from pileus.domain.compute.flavors import Flavor
from pileus.domain.compute.images import Image
from pileus.domain.errors import Invalid
from pileus.domain.network.ddos_profiles import DdosTemplate
from pileus.domain.network.networks import Network, Subnet, canonical_ip
from pileus.domain.storage.volume_types import VolumeType

NAMESPACE = UUID("502fe30e-896f-4a51-afa8-92b5647467e2")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def image_id(region_id: int, name: str) -> str:
    """The id of a public image: the same at each start."""
    return str(uuid5(NAMESPACE, f"image/{region_id}/{name}"))


def network_id(region_id: int, name: str) -> str:
    """The id of an external network."""
    return str(uuid5(NAMESPACE, f"network/{region_id}/{name}"))


def subnet_id(region_id: int, network: str, name: str) -> str:
    """The id of a subnet of an external network."""
    return str(uuid5(NAMESPACE, f"subnet/{region_id}/{network}/{name}"))


class Prices(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is not priced by a flavor or a volume type; without taxes."""

    floating_ip_per_hour: Decimal = Decimal(0)
    external_ip_per_hour: Decimal = Decimal(0)
    snapshot_per_gib_month: Decimal = Decimal(0)
    image_per_gib_month: Decimal = Decimal(0)
    ddos_profile_per_hour: Decimal = Decimal(0)
    egress_virtual_per_gb: Decimal = Decimal(0)
    egress_baremetal_per_gb: Decimal = Decimal(0)
    tax_percent: Decimal = Decimal(0)


class PublicImage(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An image that all tenants see, in each region."""

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
    """Where its content lies on the host, for drivers that run real machines."""


def _told(image: PublicImage) -> dict[str, Any]:
    """What everybody may know of an image: not where it lies."""
    facts = msgspec.structs.asdict(image)
    del facts["file"]
    return facts


class ExternalSubnet(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A range of public addresses."""

    name: str
    cidr: str
    gateway_ip: str | None = None
    enable_dhcp: bool = True
    dns_nameservers: list[str] | None = None


class ExternalNetwork(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A network that leads out; the first one of the catalogue gives floating IPs and external addresses."""

    name: str
    type: str = "vlan"
    mtu: int = 1500
    segmentation_id: int | None = None
    subnets: Annotated[list[ExternalSubnet], Meta(min_length=1)]


class SimulatedHosts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The hosts of the simulated cloud."""

    count: Annotated[int, Meta(ge=1, le=100_000)] = 16


class Catalogue(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """All that an operator offers; lookups by id or name take the same time however long it is."""

    currency: Literal["AZN", "EUR", "USD"]
    default_region: int
    regions: Annotated[list[Region], Meta(min_length=1)]
    flavors: Annotated[list[Flavor], Meta(min_length=1)]
    volume_types: Annotated[list[VolumeType], Meta(min_length=1)]
    images: list[PublicImage]
    networks: Annotated[list[ExternalNetwork], Meta(min_length=1)]
    app_templates: list[AppTemplate] = field(default_factory=list)
    ddos_templates: list[DdosTemplate] = field(default_factory=list)
    prices: Prices = field(default_factory=Prices)
    servers: SimulatedHosts = field(default_factory=SimulatedHosts)
    quotas: dict[str, int] = field(default_factory=dict)

    def region(self, region_id: int) -> Region | None:
        """The region of that number."""
        return self._regions.get(region_id)

    def flavor(self, flavor_id: str) -> Flavor | None:
        """The flavor of that name, offered still or not."""
        return self.offered_flavor(flavor_id)

    def offered_flavor(self, flavor_id: str) -> Flavor | None:
        """The flavor of that name, if new servers can have it."""
        return self._flavors.get(flavor_id)

    def volume_type(self, name: str) -> VolumeType | None:
        """The volume type of that name."""
        return self._volume_types.get(name)

    def app_template(self, template_id: str) -> AppTemplate | None:
        """The app template of that id."""
        return self._app_templates.get(template_id)

    def ddos_template(self, template_id: int) -> DdosTemplate | None:
        """The DDoS protection template of that number."""
        return self._ddos_templates.get(template_id)

    def volume_types_of(self, region: Region) -> dict[str, VolumeType]:
        """The volume types that a region offers."""
        return {name: self._volume_types[name] for name in region.available_volume_types}

    def external_network_id(self, region_id: int) -> str:
        """The network that gives a region's floating IPs and external addresses."""
        return network_id(region_id, self.networks[0].name)

    def image_records(self, region_id: int, now: int) -> list[Image]:
        """The public images as they are kept."""
        return [
            Image(
                id=image_id(region_id, image.name),
                region_id=region_id,
                visibility="public",
                created_at=now,
                updated_at=now,
                **_told(image),
            )
            for image in self.images
        ]

    def network_records(self, region_id: int, now: int) -> list[tuple[Network, list[Subnet]]]:
        """The external networks with their subnets as they are kept."""
        return [_network(network, region_id, now) for network in self.networks]

    @cached_property
    def _regions(self) -> dict[int, Region]:
        return {region.id: region for region in self.regions}

    @cached_property
    def _flavors(self) -> dict[str, Flavor]:
        return {flavor.id: flavor for flavor in self.flavors}

    @cached_property
    def _volume_types(self) -> dict[str, VolumeType]:
        return {volume_type.name: volume_type for volume_type in self.volume_types}

    @cached_property
    def _app_templates(self) -> dict[str, AppTemplate]:
        return {template.id: template for template in self.app_templates}

    @cached_property
    def _ddos_templates(self) -> dict[int, DdosTemplate]:
        return {template.id: template for template in self.ddos_templates}


class CatalogueWithHistory(Catalogue, frozen=True, kw_only=True, dict=True):
    """A catalogue that knows also the flavors that it has no more: servers may still have them."""

    former_flavors: dict[str, Flavor]

    def flavor(self, flavor_id: str) -> Flavor | None:
        """The flavor of that name, offered still or not."""
        return self.offered_flavor(flavor_id) or self.former_flavors.get(flavor_id)


def parse_catalogue(text: str) -> Catalogue:
    """Read a catalogue; raises Invalid that names each wrong key by its path."""
    try:
        catalogue = msgspec.convert(_plain(tomllib.loads(text)), Catalogue)
    except tomllib.TOMLDecodeError as error:
        raise _wrong({"toml": [str(error)]}) from error
    except msgspec.ValidationError as error:
        raise _wrong(_located(str(error))) from error
    if found := find_errors(catalogue):
        raise _wrong(found)
    return catalogue


def _wrong(fields: dict[str, list[str]]) -> Invalid:
    told = "; ".join(f"{path}: {', '.join(texts)}" for path, texts in fields.items())
    return Invalid(f"The catalogue is wrong: {told}", fields)


def _located(error: str) -> dict[str, list[str]]:
    text, _, path = error.partition(" - at `$.")
    return {path.rstrip("`") or "catalogue": [text.replace("`", "'")]}


def _plain(value: Any) -> Any:
    """TOML's own dates become microseconds, as records keep them; one without a zone is in UTC."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, date):
        moment = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day, tzinfo=UTC)
        return (moment.replace(tzinfo=moment.tzinfo or UTC) - EPOCH) // timedelta(microseconds=1)
    return value


def _network(network: ExternalNetwork, region_id: int, now: int) -> tuple[Network, list[Subnet]]:
    identity = network_id(region_id, network.name)
    record = Network(
        id=identity,
        region_id=region_id,
        name=network.name,
        type=network.type,
        mtu=network.mtu,
        segmentation_id=network.segmentation_id,
        external=True,
        created_at=now,
        updated_at=now,
    )
    return record, [_subnet(subnet, network.name, region_id, now) for subnet in network.subnets]


def _subnet(subnet: ExternalSubnet, network: str, region_id: int, now: int) -> Subnet:
    return Subnet(
        id=subnet_id(region_id, network, subnet.name),
        region_id=region_id,
        network_id=network_id(region_id, network),
        name=subnet.name,
        cidr=str(ip_network(subnet.cidr)),
        ip_version=ip_network(subnet.cidr).version,
        gateway_ip=canonical_ip(subnet.gateway_ip) if subnet.gateway_ip else None,
        enable_dhcp=subnet.enable_dhcp,
        dns_nameservers=subnet.dns_nameservers,
        created_at=now,
        updated_at=now,
    )
