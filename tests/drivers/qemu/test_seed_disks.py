"""Test seed disks and the metadata service by cloud-init's own code, which guests read them with."""

import asyncio
import gzip
import io
import json
import os
from base64 import b64decode, b64encode, encodebytes
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from errno import ENOSPC
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pycdlib
import pytest
from msgspec.structs import replace
from passlib.hash import sha512_crypt

from pileus.domain.compute.instances import FirstBootData
from pileus.domain.network.networks import Route
from pileus.drivers.protocols.compute import MachineSpec
from pileus.drivers.protocols.network import FloatingIPSpec, NetworkSpec, NicSpec, SubnetSpec
from pileus.drivers.qemu import processes
from pileus.drivers.qemu.arguments import SEED
from pileus.drivers.qemu.driver import Qemu
from pileus.drivers.qemu.fabric.metadata import MetadataService
from pileus.drivers.qemu.fabric.slirp import RESOLVER
from pileus.drivers.qemu.fabric.state import FabricState, GuestMetadata, MachineNic
from pileus.drivers.qemu.fabric.tables import NetworkTables
from pileus.drivers.qemu.seed_disks import make_seed_disk
from tests.cloud_init.packages import ensure_cloud_init, read_with_cloud_init
from tests.drivers.qemu.conftest import a_machine
from tests.guest.build import CannotBuild

MAC, OTHER_MAC = "fa:16:3e:00:00:01", "fa:16:3e:00:00:02"
PASSWORD = "Secret-1234"
SCRIPT = b"#!/bin/sh\n# " + b"." * 60 + b"\necho RAN > /dev/ttyS0\n"
BINARY = gzip.compress(SCRIPT, mtime=0)


@pytest.fixture(scope="session")
def cloud_init() -> None:
    """cloud-init's code. Skips the test where apt cannot download it, except in CI."""
    try:
        ensure_cloud_init()
    except CannotBuild as problem:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"needs cloud-init's code: {problem}")


def read_files(machine: MachineSpec, subnets: list[SubnetSpec] | None = None) -> dict[str, bytes]:
    """Return the files of a machine's seed disk."""
    iso, files = pycdlib.PyCdlib(), {}
    iso.open_fp(io.BytesIO(make_seed_disk(machine, subnets or [])))
    for name in ("meta-data", "user-data", "network-config"):
        content = io.BytesIO()
        iso.get_file_from_iso_fp(content, rr_path=f"/{name}")
        files[name] = content.getvalue()
    iso.close()
    return files


def read_seed(folder: Path, machine: MachineSpec, subnets: list[SubnetSpec] | None = None) -> Any:
    """Return what cloud-init reads from a machine's seed disk."""
    for name, content in read_files(machine, subnets).items():
        (folder / name).write_bytes(content)
    return json.loads(read_with_cloud_init("seed", folder))


def a_nic(*addresses: str, **changes: Any) -> NicSpec:
    return NicSpec(
        **{"port_id": "p-1", "network_id": "n-1", "mac_address": MAC, "addresses": list(addresses), **changes}
    )


def a_subnet(**changes: Any) -> SubnetSpec:
    fields = {"id": "s-1", "network_id": "n-1", "cidr": "10.0.0.0/24", "gateway_ip": "10.0.0.1", "enable_dhcp": False}
    return SubnetSpec(**{**fields, **changes})


IPV6 = a_subnet(id="s-2", cidr="2001:db8::/64", gateway_ip="2001:db8::1", dns_nameservers=["2001:db8::53"])


@pytest.mark.parametrize("encode", [b64encode, encodebytes])
@pytest.mark.parametrize("content", [SCRIPT, BINARY, bytes(range(256))])
def test_user_data_are_in_the_seed_byte_for_byte(encode: Any, content: bytes) -> None:
    machine = a_machine(boot=FirstBootData(user_data=encode(content).decode()))

    assert read_files(machine)["user-data"] == content


@pytest.mark.usefixtures("cloud_init")
@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (SCRIPT, "text/x-shellscript"),
        (BINARY, "text/x-shellscript"),
        (b"#cloud-config\npackages: [vim, git, tmux, htop, curl, wget, rsync]\n", "text/cloud-config"),
    ],
)
def test_cloud_init_recognizes_user_data_in_wrapped_base64(tmp_path: Path, content: bytes, content_type: str) -> None:
    machine = a_machine(boot=FirstBootData(user_data=encodebytes(content).decode()))

    assert read_seed(tmp_path, machine)["content_types"] == [content_type]


@pytest.mark.usefixtures("cloud_init")
def test_cloud_init_sets_the_password_of_the_default_user_by_its_hash(tmp_path: Path) -> None:
    passwords = read_seed(tmp_path, a_machine(boot=FirstBootData(password=PASSWORD)))["passwords"]

    (call,) = passwords["calls"]
    assert call["hashed"]
    assert call["passwords"].keys() == {"debian"}
    assert sha512_crypt.verify(PASSWORD, call["passwords"]["debian"])


@pytest.mark.usefixtures("cloud_init")
def test_cloud_init_creates_the_ordered_user_with_the_hash(tmp_path: Path) -> None:
    boot = FirstBootData(username="me", password=PASSWORD)

    passwords = read_seed(tmp_path, a_machine(boot=boot, ssh_public_key="ssh-ed25519 AAAA"))["passwords"]

    assert passwords["calls"] == []
    assert passwords["hashes"].keys() == {"me"}
    assert sha512_crypt.verify(PASSWORD, passwords["hashes"]["me"])


@pytest.mark.parametrize("boot", [{"password": PASSWORD}, {"username": "me", "password": "ж" * 255}])
def test_a_password_is_stored_as_a_hash_that_every_libc_knows(boot: dict[str, str]) -> None:
    content = read_files(a_machine(boot=FirstBootData(**boot)))["user-data"]

    assert boot["password"] not in content.decode()
    assert content.count(b'"$6$') == 1


@pytest.mark.usefixtures("cloud_init")
def test_cloud_init_reads_addresses_routes_and_name_servers_without_dhcp(tmp_path: Path) -> None:
    routes = [Route("192.0.2.0/24", "10.0.0.9")]
    subnets = [a_subnet(dns_nameservers=["10.0.0.53"], host_routes=routes), IPV6]
    nic = a_nic("10.0.0.5", "10.0.0.6", "2001:db8::5")

    seed = read_seed(tmp_path, a_machine(nics=[nic]), subnets)

    (interface,) = seed["interfaces"]
    assert interface["mac_address"] == MAC
    addresses = {(subnet["address"], subnet.get("prefix")) for subnet in interface["subnets"]}
    assert addresses == {("10.0.0.5", 24), ("10.0.0.6", 24), ("2001:db8::5", 64)}
    assert {(route["network"], route.get("netmask"), route["gateway"]) for route in routes_in(interface)} == {
        ("192.0.2.0", "255.255.255.0", "10.0.0.9"),
        ("0.0.0.0", "0.0.0.0", "10.0.0.1"),  # noqa: S104  # a default route
        ("::", None, "2001:db8::1"),
    }
    assert interface["dns"]["nameservers"] == ["10.0.0.53", "2001:db8::53"]


@pytest.mark.usefixtures("cloud_init")
def test_cloud_init_leaves_an_interface_to_dhcp_and_adds_static_addresses(tmp_path: Path) -> None:
    nics = [a_nic("10.0.0.5", "2001:db8::5"), a_nic("10.0.0.7", port_id="p-2", mac_address=OTHER_MAC)]

    seed = read_seed(tmp_path, a_machine(nics=nics), [a_subnet(enable_dhcp=True), IPV6])

    both, dhcp_only = seed["interfaces"]
    assert [subnet["type"] for subnet in both["subnets"]] == ["dhcp4", "static"]
    assert [subnet["type"] for subnet in dhcp_only["subnets"]] == ["dhcp4"]
    assert [route["gateway"] for route in routes_in(both)] == ["2001:db8::1"]


def routes_in(interface: Any) -> list[Any]:
    """Return the distinct routes of an interface, which cloud-init repeats for each address."""
    routes = [route for subnet in interface["subnets"] for route in subnet.get("routes", ())]
    return [route for number, route in enumerate(routes) if route not in routes[:number]]


@pytest.mark.parametrize(
    ("subnet", "routes", "name_servers"),
    [
        (a_subnet(), [("0.0.0.0/0", "10.0.0.1")], [RESOLVER]),
        (a_subnet(gateway_ip=None), [], []),
        (a_subnet(gateway_ip=None, dns_nameservers=["10.0.0.53"]), [], ["10.0.0.53"]),
        (a_subnet(host_routes=[Route("0.0.0.0/0", "10.0.0.9")]), [("0.0.0.0/0", "10.0.0.9")], [RESOLVER]),
    ],
)
def test_a_subnet_without_dhcp_gives_routes_and_name_servers(
    subnet: SubnetSpec, routes: list[tuple[str, str]], name_servers: list[str]
) -> None:
    config = json.loads(read_files(a_machine(nics=[a_nic("10.0.0.5")]), [subnet])["network-config"])

    (interface,) = config["ethernets"].values()
    assert interface["addresses"] == ["10.0.0.5/24"]
    assert [(route["to"], route["via"]) for route in interface.get("routes", ())] == routes
    assert interface.get("nameservers", {}).get("addresses", []) == name_servers


def a_state(**changes: Any) -> FabricState:
    """Return a state with one guest, two interfaces and a floating IP."""
    nics = [a_nic("10.0.0.5"), a_nic("10.1.0.5", "2001:db8::5", port_id="p-2", network_id="n-2", mac_address=OTHER_MAC)]
    floating_ip = FloatingIPSpec(
        id="f-1", region_id=1, ip_address="198.18.0.9", port_id="p-1", fixed_ip_address="10.0.0.5"
    )
    guest = GuestMetadata(
        machine_id="m-1",
        name="Web 1",
        host_name="web-1",
        tags={"env": "prod"},
        ssh_public_key="ssh-ed25519 AAAA",
        binary_user_data=BINARY,
        instance_type="g1-standard-1-2",
    )
    fields: dict[str, Any] = {
        "revision": 1,
        "wires": [MachineNic(machine_id="m-1", nic=nic) for nic in nics],
        "networks": [NetworkSpec(id="n-1", name="n", region_id=1, type="vxlan", mtu=1450)],
        "subnets": [
            a_subnet(),
            a_subnet(id="s-3", network_id="n-2", cidr="10.1.0.0/24", gateway_ip="10.1.0.1", enable_dhcp=True),
            replace(IPV6, network_id="n-2"),
        ],
        "floating_ips": [floating_ip],
        "guests": [guest],
    }
    return FabricState(**{**fields, **changes})


@pytest.mark.parametrize("remainder", [None, b""], ids=["nothing", "an empty file"])
async def test_a_seed_disk_that_could_not_be_written_is_written_by_the_next_start(
    qemu: Qemu, monkeypatch: pytest.MonkeyPatch, remainder: bytes | None
) -> None:
    machine = a_machine()
    seed = qemu.directory.machine_directory(machine.id) / SEED
    with monkeypatch.context() as context:
        context.setattr(processes, "make_seed_disk", Mock(side_effect=OSError(ENOSPC, "No space left on device")))
        with pytest.raises(OSError, match="No space"):
            await qemu.ensure_running_machine(machine)
    assert not seed.exists()
    # Earlier versions left an empty file.
    if remainder is not None:
        seed.write_bytes(remainder)

    await qemu.ensure_running_machine(machine)

    assert b"cidata" in seed.read_bytes()
    assert not list(seed.parent.glob("*.new"))


@asynccontextmanager
async def serve_metadata(folder: Path, state: FabricState) -> AsyncIterator[str]:
    """Serve the metadata of the interface p-1 by TCP; yields the service's URL."""
    tables = NetworkTables(state)
    service = MetadataService(lambda: tables.requesting_guest(tables.wires["p-1"].nic))
    await service.listen(str(folder / "md.sock"))

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            upstream_reader, upstream_writer = await asyncio.open_unix_connection(folder / "md.sock")
            with closing(upstream_writer):
                upstream_writer.write(await reader.readuntil(b"\r\n\r\n"))
                writer.write(await upstream_reader.read())

    server = await asyncio.start_server(forward, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    service.close()


@pytest.mark.usefixtures("cloud_init")
async def test_cloud_init_reads_the_metadata_service_by_dated_versions(tmp_path: Path) -> None:
    async with serve_metadata(tmp_path, a_state()) as url:
        answer = json.loads(await asyncio.to_thread(read_with_cloud_init, "metadata", url))

    assert answer["version"] == "2018-08-27"
    assert (answer["metadata"]["uuid"], answer["metadata"]["availability_zone"]) == ("m-1", "nova")
    assert b64decode(answer["user_data"]) == b64decode(answer["ec2_user_data"]) == BINARY
    assert answer["ec2"] == {
        "hostname": "web-1",
        "instance-id": "m-1",
        "instance-type": "g1-standard-1-2",
        "local-hostname": "web-1",
        "local-ipv4": "10.0.0.5",
        "mac": MAC,
        "placement": {"availability-zone": "nova"},
        "public-ipv4": "198.18.0.9",
        "public-keys": {"key": "ssh-ed25519 AAAA"},
        "tags": {"instance": {"env": "prod"}},
    }
    static, with_dhcp = answer["interfaces"]
    (subnet,) = static["subnets"]
    assert (static["mac_address"], static["mtu"], subnet["address"], subnet["prefix"]) == (MAC, 1450, "10.0.0.5", 24)
    assert [(route["prefix"], route["gateway"]) for route in subnet["routes"]] == [(0, "10.0.0.1")]
    # Without a bridge there is no IPv6 gateway.
    assert [(subnet["type"], subnet.get("routes", [])) for subnet in with_dhcp["subnets"]] == [
        ("dhcp4", []),
        ("static6", []),
    ]
