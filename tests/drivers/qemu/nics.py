"""Guests' network interfaces without machines, and a network state for them."""

import asyncio
import ctypes
import socket
from typing import Any

from pileus.domain.network.security_rules import NewRule
from pileus.drivers.protocols.network import FloatingIPSpec, NicSpec, RouterSpec, SecurityGroupSpec, SubnetSpec
from pileus.drivers.qemu.fabric.frames import (
    ETHERNET,
    ICMP,
    Packet,
    build_udp_frame,
    internet_checksum,
    pack_ip_address,
    parse_ip_packet,
    parse_mac_address,
)
from pileus.drivers.qemu.fabric.slirp import load_library
from pileus.drivers.qemu.fabric.state import FabricState, MachineNic, RouterWithNics
from pileus.drivers.qemu.fabric.tables import gateway_mac_address
from tests.requirements import skip_unless_required

A, B, X, ROUTER_A, ROUTER_B, FLOATING = "10.0.0.5", "10.0.0.5", "198.18.0.9", "198.18.0.2", "198.18.0.3", "198.18.0.50"
"""Two machines of two tenants with the same address, one in the external network, the routers and a floating IP."""
EVERYTHING = [
    NewRule(direction=direction, ethertype=ethertype)
    for direction in ("ingress", "egress")
    for ethertype in ("IPv4", "IPv6")
]
OUT_ONLY = [NewRule(direction="egress", ethertype=ethertype) for ethertype in ("IPv4", "IPv6")]
DELIVERY_TIME = 0.05
"""Seconds until a frame has been delivered."""


class FakeNic:
    """The guest's end of a port."""

    def __init__(self, nic: NicSpec) -> None:
        self.nic, self.mac = nic, parse_mac_address(nic.mac_address)
        self.gateway, self.address = gateway_mac_address(nic.network_id), pack_ip_address(nic.addresses[0])
        self.wire = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.wire.bind(f"wires/{nic.port_id}.guest")

    def send(self, frame: bytes) -> None:
        """Send a frame."""
        self.wire.sendto(frame, f"wires/{self.nic.port_id}.host")

    def send_udp(self, other: bytes, target: str, ports: tuple[int, int], content: bytes = b"hello") -> None:
        """Send a UDP datagram to a hardware and an IP address."""
        self.send(build_udp_frame((self.mac, other), (self.address, pack_ip_address(target)), ports, content))

    async def frames(self) -> list[bytes]:
        """Return all frames received so far."""
        await asyncio.sleep(DELIVERY_TIME)
        frames = []
        while True:
            try:
                frames.append(self.wire.recv(65536))
            except BlockingIOError:
                return frames

    async def packets(self) -> list[Packet]:
        """Return all packets received so far, after a check of their checksums."""
        return [parsed for frame in await self.frames() if (parsed := parse_ip_packet(check_checksums(frame)))]


def check_checksums(frame: bytes) -> bytes:
    """Check the checksums of a frame and return it."""
    if frame[12:14] == b"\x08\x00":
        assert internet_checksum(frame[ETHERNET : ETHERNET + 20]) == 0
        if frame[ETHERNET + 9] == ICMP:
            assert internet_checksum(frame[ETHERNET + 20 :]) == 0
    return frame


def nic(port_id: str, network_id: str, *addresses: str, **changes: Any) -> NicSpec:
    number = sum(port_id.encode()) % 256
    fields = {"mac_address": f"fa:16:3e:00:00:{number:02x}", "addresses": list(addresses), "groups": ["g"]}
    return NicSpec(**{**fields, "port_id": port_id, "network_id": network_id, **changes})


def subnet(network_id: str, cidr: str, gateway: str) -> SubnetSpec:
    return SubnetSpec(id=f"s-{network_id}", network_id=network_id, cidr=cidr, gateway_ip=gateway)


def router(name: str, *networks: str, outside: str | None = None, **changes: Any) -> RouterWithNics:
    nics = [nic(f"{name}-{network_id}", network_id, f"10.{index}.0.1") for index, network_id in enumerate(networks)]
    gateway = nic(f"{name}-out", "pub", outside) if outside else None
    return RouterWithNics(router=RouterSpec(id=name, name=name, outside=gateway, **changes), nics=nics)


NICS = (
    nic("a", "n-a", A),
    nic("b", "n-b", B),
    nic("x", "pub", X),
    nic("c", "n-c", "10.1.0.7"),
    nic("d", "n-a", "10.0.0.6"),
)


def a_state(revision: int = 1, **changes: Any) -> FabricState:
    """Networks a and c of one tenant behind one router, b of another tenant, and the external network."""
    fields = {
        "revision": revision,
        "wires": [MachineNic(machine_id=f"m-{nic.port_id}", nic=nic) for nic in NICS],
        "subnets": [
            subnet("n-a", "10.0.0.0/24", "10.0.0.1"),
            subnet("n-b", "10.0.0.0/24", "10.0.0.1"),
            subnet("n-c", "10.1.0.0/24", "10.1.0.1"),
            subnet("pub", "198.18.0.0/24", "198.18.0.1"),
        ],
        "routers": [router("r-a", "n-a", "n-c", outside=ROUTER_A), router("r-b", "n-b", outside=ROUTER_B)],
        "security_groups": [SecurityGroupSpec(id="g", name="g", rules=EVERYTHING)],
        "floating_ips": [
            FloatingIPSpec(id="f", region_id=1, ip_address=FLOATING, port_id="b", fixed_ip_address=B),
        ],
        "outside": ["pub"],
    }
    return FabricState(**{**fields, **changes})


def require_libslirp() -> ctypes.CDLL:
    """Load libslirp, or skip the test."""
    try:
        return load_library()
    except OSError:
        skip_unless_required("needs libslirp: apt-get install qemu-system-x86")
