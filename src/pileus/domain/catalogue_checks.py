"""Checks of a catalogue beyond its types: unique names, existing references, valid numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from pileus.domain.account.quota_checks import QUOTAS
from pileus.domain.compute.instances import InstanceKind
from pileus.domain.errors import Problem
from pileus.domain.ip_addresses import Cidr, ip_address, ip_network
from pileus.domain.names import NAME_REGEX
from pileus.domain.network.security_rules import plan_replaced_rules
from pileus.domain.suggestions import describe_similar_names

if TYPE_CHECKING:
    from decimal import Decimal

    from pileus.domain.catalogue import Catalogue, ExternalSubnet
    from pileus.domain.compute.flavors import Flavor

HARDWARE = {InstanceKind.BAREMETAL: {"cpu", "disk", "license", "network", "ram"}}
HARDWARE[InstanceKind.GPU] = HARDWARE[InstanceKind.BAREMETAL] | {"gpu"}

FieldError = tuple[str, str]
FieldErrors = Iterator[FieldError]


def find_catalogue_errors(catalogue: Catalogue) -> dict[str, list[str]]:
    """Return all errors by the path of the key."""
    errors: dict[str, list[str]] = {}
    for check in (
        _duplicate_errors,
        _region_errors,
        _flavor_errors,
        _volume_type_errors,
        _price_errors,
        _network_errors,
        _app_template_errors,
        _quota_errors,
        _security_group_errors,
    ):
        for path, text in check(catalogue):
            errors.setdefault(path, []).append(text)
    return errors


def _duplicate_errors(catalogue: Catalogue) -> FieldErrors:
    yield from _duplicates("regions", "id", [region.id for region in catalogue.regions])
    yield from _duplicates("regions", "slug", [region.slug for region in catalogue.regions])
    yield from _duplicates("flavors", "id", [flavor.id for flavor in catalogue.flavors])
    yield from _duplicates("volume_types", "name", [volume_type.name for volume_type in catalogue.volume_types])
    yield from _duplicates("images", "name", [image.name for image in catalogue.images])
    yield from _duplicates("networks", "name", [network.name for network in catalogue.networks])
    yield from _duplicates("app_templates", "id", [template.id for template in catalogue.app_templates])
    yield from _duplicates("ddos_templates", "id", [template.id for template in catalogue.ddos_templates])
    fields = [field.id for template in catalogue.ddos_templates for field in template.fields]
    yield from _duplicates("ddos_templates.fields", "id", fields)


def _duplicates(section: str, key: str, values: Sequence[object]) -> FieldErrors:
    for index, value in enumerate(values):
        if value in values[:index]:
            yield f"{section}[{index}].{key}", f"{value!r} is there twice"


def _region_errors(catalogue: Catalogue) -> FieldErrors:
    if catalogue.region(catalogue.default_region) is None:
        yield "default_region", f"There is no region {catalogue.default_region}"
    for index, region in enumerate(catalogue.regions):
        unknown = [name for name in region.available_volume_types if catalogue.volume_type(name) is None]
        yield from (
            (f"regions[{index}].available_volume_types", f"There is no volume type {name!r}") for name in unknown
        )


def _flavor_errors(catalogue: Catalogue) -> FieldErrors:
    for index, flavor in enumerate(catalogue.flavors):
        path = f"flavors[{index}]"
        yield from _amount_errors(f"{path}.price_per_hour", flavor.price_per_hour)
        yield from _quota_count_errors(f"{path}.quotas", flavor.quotas)
        yield from ((f"{path}.{key}", text) for key, text in _hardware_errors(flavor))


def _hardware_errors(flavor: Flavor) -> FieldErrors:
    required = HARDWARE.get(flavor.kind)
    if required is not None and set(flavor.hardware) != required:
        yield "hardware", f"A {flavor.kind} flavor describes {', '.join(sorted(required))}"
    if required is not None and flavor.resource_class is None:
        yield "resource_class", f"A {flavor.kind} flavor has one"
    if flavor.is_shared_vm and flavor.disk is None:
        yield "disk", "A shared flavor must have the size of its boot disk"


def _volume_type_errors(catalogue: Catalogue) -> FieldErrors:
    for index, volume_type in enumerate(catalogue.volume_types):
        path = f"volume_types[{index}]"
        yield from _amount_errors(f"{path}.price_per_gib_month", volume_type.price_per_gib_month)
        yield from _amount_errors(f"{path}.iops_per_gib", volume_type.iops_per_gib)
        yield from _amount_errors(f"{path}.mbps_per_gib", volume_type.mbps_per_gib)
        if volume_type.max_size < volume_type.min_size:
            yield f"{path}.max_size", "Input should not be less than min_size"


def _price_errors(catalogue: Catalogue) -> FieldErrors:
    prices = catalogue.prices
    for name in prices.__struct_fields__:
        yield from _amount_errors(f"prices.{name}", getattr(prices, name))


def _amount_errors(path: str, value: Decimal | None) -> FieldErrors:
    if value is not None and not (value.is_finite() and value >= 0):
        yield path, f"{value} is not an amount of 0 or more"


def _network_errors(catalogue: Catalogue) -> FieldErrors:
    for index, network in enumerate(catalogue.networks):
        ranges: list[Cidr] = []
        path = f"networks[{index}].subnets"
        yield from _duplicates(path, "name", [subnet.name for subnet in network.subnets])
        for subnet_index, subnet in enumerate(network.subnets):
            yield from ((f"{path}[{subnet_index}].{key}", text) for key, text in _subnet_errors(subnet, ranges))


def _subnet_errors(subnet: ExternalSubnet, ranges: list[Cidr]) -> FieldErrors:
    if not NAME_REGEX.fullmatch(subnet.name):
        yield "name", "A name has 3 to 63 letters, digits, blanks, '.', '_' and '-', and begins with a letter or digit"
    yield from (("dns_nameservers", text) for text in _address_errors(subnet.dns_nameservers or ()))
    try:
        cidr = ip_network(subnet.cidr)
    except ValueError as error:
        yield "cidr", str(error)
        return
    if any(cidr.version == other.version and cidr.overlaps(other) for other in ranges):
        yield "cidr", f"{cidr} overlaps with another subnet of its network"
    ranges.append(cidr)
    if subnet.gateway_ip is not None and not _is_host_address(subnet.gateway_ip, cidr):
        yield "gateway_ip", f"{subnet.gateway_ip} is not an address of a host in {cidr}"


def _address_errors(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        try:
            ip_address(text)
        except ValueError as error:
            yield str(error)


def _is_host_address(text: str, cidr: Cidr) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return address in cidr and address not in (cidr.network_address, cidr.broadcast_address)


def _app_template_errors(catalogue: Catalogue) -> FieldErrors:
    images = {image.name for image in catalogue.images}
    for index, template in enumerate(catalogue.app_templates):
        if template.image_name not in images:
            yield f"app_templates[{index}].image_name", f"There is no image {template.image_name!r}"
        if template.region_id is not None and catalogue.region(template.region_id) is None:
            yield f"app_templates[{index}].region_id", f"There is no region {template.region_id}"


def _quota_errors(catalogue: Catalogue) -> FieldErrors:
    return _quota_count_errors("quotas", catalogue.quotas)


def _quota_count_errors(path: str, counts: Mapping[str, int]) -> FieldErrors:
    for name, count in counts.items():
        if name not in QUOTAS:
            yield f"{path}.{name}", f"There is no such quota{describe_similar_names(name, QUOTAS, count=1)}"
        if count < 0:
            yield f"{path}.{name}", f"{count} is less than 0"


def _security_group_errors(catalogue: Catalogue) -> FieldErrors:
    policy = catalogue.security_groups
    for key, is_default_group in (("default_egress_rules", False), ("default_group_ingress_rules", True)):
        rules = policy.default_rules(is_default_group=is_default_group)
        try:
            plan_replaced_rules("", rules, [], str, 0)
            policy.check_rules(rules)
        except Problem as problem:
            yield f"security_groups.{key}", problem.message
            return  # the rules of the default group include the others
