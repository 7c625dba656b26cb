"""Test the content of the metadata service, by path and version."""

from base64 import encodebytes
from typing import Any

import msgspec
import pytest

from pileus.domain.compute.instances import FirstBootData
from pileus.drivers.protocols.network import FloatingIPSpec, NetworkSpec, NicSpec, SubnetSpec
from pileus.drivers.qemu.fabric.metadata import EC2_VERSIONS, OPENSTACK_VERSIONS, RequestingGuest, find_metadata
from pileus.drivers.qemu.fabric.state import FabricState, GuestMetadata, MachineNic
from pileus.drivers.qemu.fabric.tables import NetworkTables
from pileus.drivers.qemu.fabric_updates import guest_metadata
from tests.drivers.qemu.conftest import a_machine

MAC = "02:00:00:00:00:01"


def a_guest(**changes: Any) -> GuestMetadata:
    return GuestMetadata(**{"machine_id": "m-1", "name": "Web 1", "host_name": "web-1", **changes})


def requesting_guest(guest: GuestMetadata, **changes: Any) -> RequestingGuest:
    """Return a guest with one interface in a network of a tenant."""
    nic = NicSpec(port_id="p-1", network_id="n-1", mac_address=MAC, addresses=["10.0.0.5"])
    subnet = SubnetSpec(id="s-1", network_id="n-1", cidr="10.0.0.0/24", gateway_ip="10.0.0.1")
    fields = {"revision": 1, "wires": [MachineNic(machine_id="m-1", nic=nic)], "subnets": [subnet], "guests": [guest]}
    requesting = NetworkTables(FabricState(**{**fields, **changes})).requesting_guest(nic)
    assert requesting
    return requesting


def test_metadata_is_that_of_the_guest() -> None:
    guest = requesting_guest(a_guest(tags={"a b/c": "x"}))

    assert find_metadata(guest, "/latest/meta-data/instance-id") == "m-1"
    assert find_metadata(guest, "/latest/meta-data/tags/instance/a b/c") == "x"
    assert find_metadata(guest, "/latest/meta-data/local-ipv4") == "10.0.0.5"
    for absent in ("user-data", "meta-data/public-keys", "meta-data/public-ipv4", "meta-data/instance-type"):
        assert find_metadata(guest, f"/latest/{absent}") is None


@pytest.mark.parametrize("version", ["latest", "1.0", "2009-04-04", "2012-01-12", "2030-12-31"])
@pytest.mark.parametrize("path", ["", "/", "/meta-data", "/meta-data/instance-id", "/user-data"])
def test_every_version_of_ec2_answers_as_the_latest(version: str, path: str) -> None:
    guest = requesting_guest(a_guest(user_data="#!/bin/sh\n"))

    content = find_metadata(guest, f"/{version}{path}")

    assert content is not None
    assert content == find_metadata(guest, f"/latest{path}")


@pytest.mark.parametrize("version", ["latest", "2012-08-10", "2016-06-30", "2018-08-27", "2030-12-31"])
@pytest.mark.parametrize("path", ["", "/meta_data.json", "/user_data", "/network_data.json", "/vendor_data.json"])
def test_every_version_of_openstack_answers_as_the_latest(version: str, path: str) -> None:
    guest = requesting_guest(a_guest(user_data="#!/bin/sh\n"))

    content = find_metadata(guest, f"/openstack/{version}{path}")

    assert content is not None
    assert content == find_metadata(guest, f"/openstack/latest{path}")


@pytest.mark.parametrize(
    "path", ["/nothing", "/latest-2009-04-04", "/2009-04", "/2009-04-04x/meta-data", "/latest/2009-04-04", "//latest"]
)
def test_what_is_no_version_is_not_found(path: str) -> None:
    assert find_metadata(requesting_guest(a_guest()), path) is None


@pytest.mark.parametrize(("path", "versions"), [("/", EC2_VERSIONS), ("/openstack", OPENSTACK_VERSIONS)])
def test_versions_are_listed_and_the_listed_ones_answer(path: str, versions: tuple[str, ...]) -> None:
    guest = requesting_guest(a_guest())

    listing = find_metadata(guest, path)

    assert isinstance(listing, str)
    assert listing.split("\n")[: len(versions) + 1] == [*versions, "latest"]
    for version in listing.split("\n"):
        assert find_metadata(guest, f"{path.rstrip('/')}/{version}") is not None


def test_listings_name_all_items() -> None:
    guest = requesting_guest(a_guest(tags={"a": "b"}, ssh_public_key="ssh-ed25519 AAAA", user_data="x"))

    for directory in ("/latest", "/latest/meta-data", "/latest/meta-data/placement", "/openstack/latest"):
        listing = find_metadata(guest, directory)
        assert isinstance(listing, str)
        for name in listing.split("\n"):
            assert find_metadata(guest, f"{directory}/{name}") is not None


def test_the_public_address_is_the_floating_ip_or_an_external_address() -> None:
    floating_ip = FloatingIPSpec(
        id="f-1", region_id=1, ip_address="198.18.0.9", port_id="p-1", fixed_ip_address="10.0.0.5"
    )
    inner = requesting_guest(a_guest())
    assigned = requesting_guest(a_guest(), floating_ips=[floating_ip])
    external = requesting_guest(a_guest(), outside=["n-1"])

    paths = [find_metadata(guest, "/latest/meta-data/public-ipv4") for guest in (inner, assigned, external)]

    assert paths == [None, "198.18.0.9", "10.0.0.5"]


def test_network_data_describe_all_interfaces_of_the_machine() -> None:
    nics = [
        NicSpec(port_id=f"p-{number}", network_id=f"n-{number}", mac_address=MAC, addresses=[f"10.{number}.0.5"])
        for number in (1, 2)
    ]
    subnets = [
        SubnetSpec(
            id=f"s-{number}",
            network_id=f"n-{number}",
            cidr=f"10.{number}.0.0/24",
            gateway_ip=f"10.{number}.0.1",
            enable_dhcp=number == 1,
            dns_nameservers=["192.0.2.53"],
        )
        for number in (1, 2)
    ]
    other = MachineNic(machine_id="m-2", nic=msgspec.structs.replace(nics[0], port_id="p-3"))
    wires = [*(MachineNic(machine_id="m-1", nic=nic) for nic in nics), other]
    networks = [NetworkSpec(id="n-2", name="n", region_id=1, type="vxlan", mtu=1450)]

    text = find_metadata(
        requesting_guest(a_guest(), wires=wires, subnets=subnets, networks=networks),
        "/openstack/latest/network_data.json",
    )

    document = msgspec.json.decode(text or "")
    assert [(link["id"], link["mtu"]) for link in document["links"]] == [("p-1", 1500), ("p-2", 1450)]
    dhcp, static = document["networks"]
    assert (dhcp["type"], dhcp["link"]) == ("ipv4_dhcp", "p-1")
    assert (static["type"], static["ip_address"], static["netmask"]) == ("ipv4", "10.2.0.5", "255.255.255.0")
    assert static["routes"] == [{"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "10.2.0.1"}]  # noqa: S104  # a default route
    assert document["services"] == [{"type": "dns", "address": "192.0.2.53"}]


@pytest.mark.parametrize("content", [b"#!/bin/sh\n", "привет".encode(), bytes(range(256)), b"\xff"])
def test_user_data_reach_the_guest_byte_for_byte(content: bytes) -> None:
    boot = FirstBootData(user_data=encodebytes(content).decode())
    message = msgspec.json.encode(guest_metadata(a_machine(id="m-1", boot=boot)))

    guest = requesting_guest(msgspec.json.decode(message, type=GuestMetadata))

    for path in ("/latest/user-data", "/2009-04-04/user-data", "/openstack/2012-08-10/user_data"):
        assert find_metadata(guest, path) == content
