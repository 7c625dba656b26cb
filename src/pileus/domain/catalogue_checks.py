"""What the shape of a catalogue cannot say: names stand there once, they lead somewhere, numbers make sense."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING

from pileus.domain.account.quota_checks import QUOTAS
from pileus.domain.compute.instances import Kind
from pileus.domain.names import NAME_REGEX

if TYPE_CHECKING:
    from decimal import Decimal

    from pileus.domain.catalogue import Catalogue, ExternalSubnet
    from pileus.domain.compute.flavors import Flavor

HARDWARE = {Kind.BAREMETAL: {"cpu", "disk", "license", "network", "ram"}}
HARDWARE[Kind.GPU] = HARDWARE[Kind.BAREMETAL] | {"gpu"}

Complaint = tuple[str, str]
Complaints = Iterator[Complaint]


def find_errors(catalogue: Catalogue) -> dict[str, list[str]]:
    """Gather all complaints by the path of the key that they are about."""
    found: dict[str, list[str]] = {}
    for check in (_unique, _regions, _flavors, _volume_types, _prices, _networks, _app_templates, _quotas):
        for path, text in check(catalogue):
            found.setdefault(path, []).append(text)
    return found


def _unique(catalogue: Catalogue) -> Complaints:
    yield from _repeated("regions", "id", [region.id for region in catalogue.regions])
    yield from _repeated("regions", "slug", [region.slug for region in catalogue.regions])
    yield from _repeated("flavors", "id", [flavor.id for flavor in catalogue.flavors])
    yield from _repeated("volume_types", "name", [each.name for each in catalogue.volume_types])
    yield from _repeated("images", "name", [image.name for image in catalogue.images])
    yield from _repeated("networks", "name", [network.name for network in catalogue.networks])
    yield from _repeated("app_templates", "id", [template.id for template in catalogue.app_templates])
    yield from _repeated("ddos_templates", "id", [template.id for template in catalogue.ddos_templates])
    fields = [field.id for template in catalogue.ddos_templates for field in template.fields]
    yield from _repeated("ddos_templates.fields", "id", fields)


def _repeated(section: str, key: str, values: Sequence[object]) -> Complaints:
    for at, value in enumerate(values):
        if value in values[:at]:
            yield f"{section}[{at}].{key}", f"{value!r} is there twice"


def _regions(catalogue: Catalogue) -> Complaints:
    if catalogue.region(catalogue.default_region) is None:
        yield "default_region", f"There is no region {catalogue.default_region}"
    for at, region in enumerate(catalogue.regions):
        unknown = [name for name in region.available_volume_types if catalogue.volume_type(name) is None]
        yield from ((f"regions[{at}].available_volume_types", f"There is no volume type {name!r}") for name in unknown)


def _flavors(catalogue: Catalogue) -> Complaints:
    for at, flavor in enumerate(catalogue.flavors):
        path = f"flavors[{at}]"
        yield from _amount(f"{path}.price_per_hour", flavor.price_per_hour)
        yield from _counted(f"{path}.quotas", flavor.quotas)
        yield from ((f"{path}.{key}", text) for key, text in _described(flavor))


def _described(flavor: Flavor) -> Complaints:
    needed = HARDWARE.get(flavor.kind)
    if needed is not None and set(flavor.hardware) != needed:
        yield "hardware", f"A {flavor.kind} flavor describes {', '.join(sorted(needed))}"
    if needed is not None and flavor.resource_class is None:
        yield "resource_class", f"A {flavor.kind} flavor has one"
    if flavor.is_basic and flavor.disk is None:
        yield "disk", "A shared flavor says the size of its boot disk"


def _volume_types(catalogue: Catalogue) -> Complaints:
    for at, volume_type in enumerate(catalogue.volume_types):
        path = f"volume_types[{at}]"
        yield from _amount(f"{path}.price_per_gib_month", volume_type.price_per_gib_month)
        yield from _amount(f"{path}.iops_per_gib", volume_type.iops_per_gib)
        yield from _amount(f"{path}.mbps_per_gib", volume_type.mbps_per_gib)
        if volume_type.max_size < volume_type.min_size:
            yield f"{path}.max_size", "It is less than min_size"


def _prices(catalogue: Catalogue) -> Complaints:
    prices = catalogue.prices
    for name in prices.__struct_fields__:
        yield from _amount(f"prices.{name}", getattr(prices, name))


def _amount(path: str, value: Decimal | None) -> Complaints:
    if value is not None and not (value.is_finite() and value >= 0):
        yield path, f"{value} is not an amount of 0 or more"


def _networks(catalogue: Catalogue) -> Complaints:
    for at, network in enumerate(catalogue.networks):
        ranges: list[IPv4Network | IPv6Network] = []
        path = f"networks[{at}].subnets"
        yield from _repeated(path, "name", [subnet.name for subnet in network.subnets])
        for place, subnet in enumerate(network.subnets):
            yield from ((f"{path}[{place}].{key}", text) for key, text in _subnet(subnet, ranges))


def _subnet(subnet: ExternalSubnet, ranges: list[IPv4Network | IPv6Network]) -> Complaints:
    if not NAME_REGEX.fullmatch(subnet.name):
        yield "name", "A name has 3 to 63 letters, digits, blanks, '.', '_' and '-', and begins with a letter or digit"
    yield from (("dns_nameservers", text) for text in _addresses(subnet.dns_nameservers or ()))
    try:
        cidr = ip_network(subnet.cidr)
    except ValueError as error:
        yield "cidr", str(error)
        return
    if any(cidr.version == other.version and cidr.overlaps(other) for other in ranges):
        yield "cidr", f"{cidr} overlaps with another subnet of its network"
    ranges.append(cidr)
    if subnet.gateway_ip is not None and not _inside(subnet.gateway_ip, cidr):
        yield "gateway_ip", f"{subnet.gateway_ip} is not an address of a host in {cidr}"


def _addresses(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        try:
            ip_address(text)
        except ValueError as error:
            yield str(error)


def _inside(text: str, cidr: IPv4Network | IPv6Network) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return address in cidr and address not in (cidr.network_address, cidr.broadcast_address)


def _app_templates(catalogue: Catalogue) -> Complaints:
    images = {image.name for image in catalogue.images}
    for at, template in enumerate(catalogue.app_templates):
        if template.image_name not in images:
            yield f"app_templates[{at}].image_name", f"There is no image {template.image_name!r}"
        if template.region_id is not None and catalogue.region(template.region_id) is None:
            yield f"app_templates[{at}].region_id", f"There is no region {template.region_id}"


def _quotas(catalogue: Catalogue) -> Complaints:
    return _counted("quotas", catalogue.quotas)


def _counted(path: str, numbers: Mapping[str, int]) -> Complaints:
    for name, number in numbers.items():
        if name not in QUOTAS:
            yield f"{path}.{name}", "There is no such quota"
        if number < 0:
            yield f"{path}.{name}", f"{number} is less than 0"
