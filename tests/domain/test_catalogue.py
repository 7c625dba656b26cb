"""The catalogue: the bundled one is valid and documented; errors name the wrong keys."""

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from ipaddress import ip_network
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from pileus.domain.account.quota_checks import QUOTAS
from pileus.domain.catalogue import (
    Catalogue,
    derive_external_network_id,
    derive_external_subnet_id,
    derive_public_image_id,
    parse_catalogue,
)
from pileus.domain.compute.instances import InstanceKind
from pileus.domain.errors import Invalid
from pileus.domain.ids import parse_id_cell
from pileus.domain.network.security_rules import NewRule
from tests.domain.builders import NOW, catalogue_text, the_catalogue
from tests.domain.test_ids import is_version_4

DOCUMENT = Path(__file__).parents[2] / "docs" / "catalogue.md"
EXPECTED_FLAVORS = [
    "g0-standard-1-2", "g1-standard-1-2", "g1-standard-2-4", "g2-standard-2-4", "g2-standard-4-8", "g2-standard-32-64",
    "g1s-shared-1-0.5", "bm2-hf-medium", "bm1-infrastructure-small", "bm3-ai-1xlarge-h100-80-8",
]  # fmt: skip


def errors_of(text: str) -> dict[str, list[str]]:
    with pytest.raises(Invalid, match="The catalogue is wrong") as raised:
        parse_catalogue(text)
    return dict(raised.value.fields)


def catalogue_with(old: str, new: str) -> str:
    """Return the bundled catalogue with its first `old` replaced by `new`."""
    text = catalogue_text()
    assert old in text
    return text.replace(old, new, 1)


def test_catalogue_has_the_documented_flavors_types_and_images() -> None:
    catalogue = the_catalogue()

    assert all(catalogue.flavor(name) for name in EXPECTED_FLAVORS)
    assert {volume_type.name for volume_type in catalogue.volume_types} == {
        "standard", "ssd_hiiops", "ssd_lowlatency", "ssd_local", "cold", "ultra",
    }  # fmt: skip
    assert {"ubuntu-22.04-x64", "ubuntu-24.04-x64", "debian-12-generic-x64"} <= {
        image.name for image in catalogue.images
    }
    assert catalogue.networks[0].name == "pub_net"


def test_flavors_of_all_kinds_match_their_ids() -> None:
    flavors = the_catalogue().flavors

    assert {flavor.kind for flavor in flavors} == set(InstanceKind)
    for flavor in flavors:
        if sized := re.fullmatch(r"g\w+-\w+-(\d+)-([\d.]+)", flavor.id):
            assert (flavor.vcpus, flavor.ram) == (int(sized[1]), float(sized[2]) * 1024)


def test_every_flavor_has_a_bootable_image() -> None:
    catalogue = the_catalogue()
    for flavor in catalogue.flavors:
        suitable = [
            image
            for image in catalogue.images
            if (image.os_type, image.is_baremetal) == (flavor.os_type, flavor.kind != InstanceKind.VM)
            and image.min_ram <= flavor.ram
            and image.min_disk <= (flavor.disk or image.min_disk)
        ]
        assert suitable, flavor.id


def test_ddos_templates_have_fields() -> None:
    assert all(template.fields for template in the_catalogue().ddos_templates)


@pytest.mark.parametrize(
    ("look_up", "known_id", "unknown_id"),
    [
        (Catalogue.region, 1, 99),
        (Catalogue.flavor, "g1-standard-1-2", "none"),
        (Catalogue.volume_type, "cold", "none"),
        (Catalogue.app_template, "docker", "none"),
        (Catalogue.ddos_template, 1, 99),
    ],
)
def test_records_are_looked_up_by_id(look_up: Callable[..., object], known_id: object, unknown_id: object) -> None:
    assert look_up(the_catalogue(), known_id) is not None
    assert look_up(the_catalogue(), unknown_id) is None


def test_ids_are_stable_and_differ_by_region_and_name() -> None:
    ids = [make(region, *names) for region in (1, 2) for make, names in MADE]

    assert ids[:4] == [make(1, *names) for make, names in MADE]
    assert len(set(ids)) == len(ids)
    assert all(is_version_4(identity) and parse_id_cell(identity) == 0 for identity in ids)
    assert derive_public_image_id(1, "ubuntu-22.04-x64") == "9d1afad7-106f-41a4-b8b9-00005f9e5288"


MADE: list[tuple[Callable[..., str], tuple[str, ...]]] = [
    (derive_public_image_id, ("same",)),
    (derive_external_network_id, ("same",)),
    (derive_external_subnet_id, ("same", "one")),
    (derive_external_subnet_id, ("same", "two")),
]


def test_public_images_have_no_tenant_and_are_public() -> None:
    images = the_catalogue().public_image_records(3, NOW)

    assert {(image.client_id, image.project_id, image.region_id) for image in images} == {(None, None, 3)}
    assert {(image.visibility, image.status, image.created_at) for image in images} == {("public", "active", NOW)}
    assert {image.id for image in images} == {derive_public_image_id(3, image.name) for image in the_catalogue().images}


def test_external_network_has_subnets_of_both_ip_versions() -> None:
    [(network, subnets)] = the_catalogue().external_network_records(1, NOW)

    assert network.external
    assert network.id == the_catalogue().external_network_id(1)
    assert [subnet.ip_version for subnet in subnets] == [4, 6]
    assert all(subnet.network_id == network.id and subnet.assignable_address_count > 65_000 for subnet in subnets)
    assert not any(ip_network(subnet.cidr).is_global for subnet in subnets)


def test_dates_are_converted_to_microseconds() -> None:
    for text in ("2024-01-01T00:00:00Z", "2024-01-01T02:00:00+02:00", "2024-01-01T00:00:00", "2024-01-01"):
        catalogue = parse_catalogue(catalogue_with("2024-01-01T00:00:00Z", text))

        assert catalogue.regions[0].created_at == 1_704_067_200_000_000


def test_minimal_catalogue_is_valid() -> None:
    text = """
        currency = "USD"
        default_region = 7
        images = []
        [[regions]]
        id = 7
        display_name = "Here"
        slug = "here"
        keystone_name = "here"
        keystone_id = 7
        country = "DE"
        created_at = 2024-01-01
        vlan_physical_network = "vlan"
        [[flavors]]
        id = "one"
        vcpus = 1
        ram = 512
        [[volume_types]]
        name = "standard"
        price_per_gib_month = "0"
        max_iops = 100
        max_mbps = 10
        [[networks]]
        name = "out"
        [[networks.subnets]]
        name = "out"
        cidr = "203.0.113.0/24"
        """

    catalogue = parse_catalogue(text)

    assert (catalogue.prices.floating_ip_per_hour, catalogue.servers.count, catalogue.quotas) == (Decimal(0), 16, {})


def test_catalogue_without_a_policy_for_security_groups_has_the_bundled_one() -> None:
    text = re.sub(r"^\[security_groups\]\n.*?^\[\[", "[[", catalogue_text(), count=1, flags=re.MULTILINE | re.DOTALL)

    assert "prohibited_egress_ports" not in text
    assert parse_catalogue(text).security_groups == the_catalogue().security_groups


def test_egress_can_be_allowed_completely() -> None:
    text = re.sub(
        r"^prohibited_egress_ports.*?^\]$",
        "prohibited_egress_ports = []\ndefault_egress_rules = [{}]",
        catalogue_text(), count=1, flags=re.MULTILINE | re.DOTALL,
    )  # fmt: skip

    policy = parse_catalogue(text).security_groups

    rules = policy.default_rules(is_default_group=False)
    assert rules == [NewRule(direction="egress", ethertype=ethertype) for ethertype in ("IPv4", "IPv6")]
    policy.check_rules(rules)


def test_volume_limits_grow_with_the_size_up_to_a_maximum() -> None:
    standard = the_catalogue().volume_type("standard")
    local = the_catalogue().volume_type("ssd_local")
    assert standard is not None
    assert local is not None

    assert [standard.performance_limits(size).iops_base for size in (1, 100, 750, 5000)] == [6, 600, 4500, 4500]
    assert [standard.performance_limits(size).mbps_base for size in (1, 100, 5000)] == [1, 40, 300]
    assert local.performance_limits(1) == local.performance_limits(5000)


FLAVOR = 'id = "g0-standard-1-2"\nvcpus = 1'
WRONG = [
    ('currency = "EUR"', "currency =", "toml", "Invalid value"),
    ('currency = "EUR"', 'currency = "XXX"', "currency", "Invalid enum value 'XXX'"),
    ('currency = "EUR"', 'money = "EUR"', "catalogue", "unknown field 'money'"),
    ('currency = "EUR" #', "#", "catalogue", "missing required field 'currency'"),
    ("default_region = 1", "default_region = 2", "default_region", "There is no region 2"),
    ("id = 1\ndisplay_name", "id = 0\ndisplay_name", "regions[0].id", "Expected 'int' >= 1"),
    ('country = "LU"', 'country = "Luxembourg"', "regions[0].country", "regex"),
    ('latitude = "49.611622"', 'latitude = "north"', "regions[0].coordinates.latitude", "regex"),
    ('"cold", "ultra"]', '"warm"]', "regions[0].available_volume_types", "There is no volume type 'warm'"),
    (FLAVOR, 'id = "g0-standard-1-2"\nvcpus = "1"', "flavors[0].vcpus", "Expected 'int', got 'str'"),
    (FLAVOR, 'id = "g0-standard-1-2"\nvcpus = 0', "flavors[0].vcpus", "Expected 'int' >= 1"),
    (FLAVOR, 'id = "g0-standard-1-2"\ncores = 1', "flavors[0]", "unknown field 'cores'"),
    (FLAVOR, 'id = "g1-standard-1-2"\nvcpus = 1', "flavors[2].id", "'g1-standard-1-2' is there twice"),
    ('price_per_hour = "0.010"', 'price_per_hour = "-1"', "flavors[0].price_per_hour", "-1 is not an amount"),
    ('price_per_hour = "0.010"', 'price_per_hour = "NaN"', "flavors[0].price_per_hour", "NaN is not an amount"),
    ('price_per_hour = "0.010"', 'price_per_hour = "free"', "flavors[0].price_per_hour", "Invalid decimal string"),
    ("disk = 10\n", "", "flavors[10].disk", "boot disk"),
    ('resource_class = "bm2-hf-medium"\n', "", "flavors[15].resource_class", "has one"),
    ('license = "", ', "", "flavors[14].hardware", "describes cpu, disk, license, network, ram"),
    ('gpu = "8 x NVIDIA H100 80 GB", ', "", "flavors[16].hardware", "describes cpu, disk, gpu"),
    ("baremetal_hf_count = 1", "hf = 1", "flavors[15].quotas.hf", "There is no such quota"),
    ('name = "cold"', 'name = "ultra"', "volume_types[5].name", "'ultra' is there twice"),
    ("max_iops = 4500", "max_size = 5\nmin_size = 9\nmax_iops = 1", "volume_types[0].max_size", "less than min_size"),
    ('price_per_gib_month = "0.090"', 'price_per_gib_month = "-0.1"', "volume_types[0].price_per_gib_month", "-0.1"),
    ('iops_per_gib = "6"', 'iops_per_gib = "-6"', "volume_types[0].iops_per_gib", "-6"),
    ("size = 2361393152", 'size = "big"', "images[0].size", "Expected 'int'"),
    ('name = "debian-12-generic-x64"', 'name = "ubuntu-22.04-x64"', "images[2].name", "there twice"),
    ('ssh_key = "deny"', 'ssh_key = "never"', "images[3].ssh_key", "Invalid enum value"),
    ('cidr = "198.18.0.0/16"', 'cidr = "198.18.0.1/16"', "networks[0].subnets[0].cidr", "has host bits set"),
    ('cidr = "198.18.0.0/16"', 'cidr = "here"', "networks[0].subnets[0].cidr", "does not appear to be"),
    ('cidr = "2001:db8:0:1::/64"', 'cidr = "198.18.4.0/24"', "networks[0].subnets[1].cidr", "overlaps"),
    ('"198.18.0.1"', '"198.18.0.0"', "networks[0].subnets[0].gateway_ip", "not an address of a host"),
    ('"198.18.0.1"', '"10.0.0.1"', "networks[0].subnets[0].gateway_ip", "not an address of a host"),
    ('"198.18.0.1"', '"gate"', "networks[0].subnets[0].gateway_ip", "not an address of a host"),
    ('"8.8.8.8"', '"resolver"', "networks[0].subnets[0].dns_nameservers", "does not appear to be"),
    ('name = "pub_net_v4"', 'name = "v4"', "networks[0].subnets[0].name", "3 to 63"),
    ('name = "pub_net_v6"', 'name = "pub_net_v4"', "networks[0].subnets[1].name", "there twice"),
    ('image_name = "ubuntu-22.04-x64"', 'image_name = "none"', "app_templates[0].image_name", "no image 'none'"),
    ("min_vcpus = 1", "region_id = 4", "app_templates[0].region_id", "There is no region 4"),
    ('id = "docker"', 'id = "wordpress"', "app_templates[1].id", "there twice"),
    ("id = 2\nname", "id = 1\nname", "ddos_templates[1].id", "there twice"),
    ("id = 21", "id = 11", "ddos_templates.fields[2].id", "there twice"),
    ('floating_ip_per_hour = "0.004"', 'floating_ip_per_hour = "-4"', "prices.floating_ip_per_hour", "-4"),
    ('tax_percent = "0"', 'tax_percent = "Infinity"', "prices.tax_percent", "Infinity"),
    ("count = 16", "count = 0", "servers.count", "Expected 'int' >= 1"),
    ("vm_count = 1000", "vm_count = -1", "quotas.vm_count", "-1 is less than 0"),
    ("vm_count = 1000", "vms = 1", "quotas.vms", "There is no such quota"),
    ("[1, 24], [26, 65535]", "[1, 65535]", "security_groups.default_egress_rules", "port 25"),
    ("egress_ports = [25]", "egress_ports = [443]", "security_groups.default_egress_rules", "port 443"),
    ("[1, 24], [26, 65535]", "[9, 1]", "security_groups.default_egress_rules", "the smaller one first"),
    ("[1, 24], [26, 65535]", "[1, 2], [1, 2]", "security_groups.default_egress_rules", "Two rules are the same"),
    ('"pgm", "rsvp"', '"smtp"', "security_groups.default_egress_rules[0].protocols[7]", "Invalid enum value"),
    ("[22, 22], [3389, 3389]", "[3389, 22]", "security_groups.default_group_ingress_rules", "the smaller one first"),
    ('["ipv6-icmp"]', '["icmp"]', "security_groups.default_group_ingress_rules", "Protocol icmp is prohibited"),
]


@pytest.mark.parametrize(("old", "new", "path", "text"), WRONG, ids=[f"{path}: {text}" for _, _, path, text in WRONG])
def test_wrong_key_is_reported_by_its_path(old: str, new: str, path: str, text: str) -> None:
    fields = errors_of(catalogue_with(old, new))

    assert text in ", ".join(fields[path])


def test_all_errors_are_reported_at_once() -> None:
    text = catalogue_text().replace("default_region = 1", "default_region = 2").replace("vm_count = 1000", "vms = -1")

    assert list(errors_of(text)) == ["default_region", "quotas.vms"]
    assert len(errors_of(text)["quotas.vms"]) == 2


def catalogue_keys(struct: type[msgspec.Struct], section: str = "") -> Iterator[tuple[str, str]]:
    """Return each key of a catalogue with its section. The keys of the section `quotas` are the names of the quotas."""
    for field in msgspec.structs.fields(struct):
        types = [hint for hint in (field.type, *get_args(field.type)) if isinstance(hint, type)]
        types += [inner for hint in get_args(field.type) for inner in get_args(hint) if isinstance(inner, type)]
        nested = next((hint for hint in types if issubclass(hint, msgspec.Struct)), None)
        if nested is not None:
            yield from catalogue_keys(nested, f"{section}.{field.name}".strip("."))
        elif (section, field.name) != ("", "quotas"):
            yield section, field.name


def documented_keys() -> dict[str, str]:
    """Return the document's chapters by the section in their heading; the first is about the top of the file."""
    parts = re.split(r"^##+ .*?`\[+([a-z_.]+)\]+`.*$", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {"": parts[0]} | dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize(("section", "key"), list(catalogue_keys(Catalogue)))
def test_every_key_is_documented(section: str, key: str) -> None:
    assert re.search(rf"^\| `{key}` \|", documented_keys()[section], re.MULTILINE), f"{key} in [{section}]"


def test_only_existing_keys_are_documented() -> None:
    documented = {
        (section, key)
        for section, text in documented_keys().items()
        for key in re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    }

    assert documented == {*catalogue_keys(Catalogue), *(("quotas", name) for name in QUOTAS)}
