"""Test that routers and floating IPs reach virtual IPs, and whatever machines have by allowed address pairs."""

import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest

from pileus.domain.network.ports import AddressPair
from pileus.domain.network.security_rules import NewRule
from pileus.drivers.protocols.network import FloatingIPSpec, NicSpec, SecurityGroupSpec
from pileus.drivers.qemu.fabric.dhcp import METADATA
from pileus.drivers.qemu.fabric.fabric import Fabric
from pileus.drivers.qemu.fabric.frames import (
    ARP,
    ETHERNET,
    REPLY,
    REQUEST,
    TCP,
    UDP,
    Packet,
    build_arp_frame,
    build_icmp_frame,
    build_ipv4_frame,
    build_udp_frame,
    internet_checksum,
    pack_ip_address,
    parse_ip_packet,
)
from pileus.drivers.qemu.fabric.neighbours import (
    ANSWER_TIME,
    CONFIRMED_TIME,
    NEIGHBOUR_LIMIT,
    WAITING_LIMIT,
    Neighbour,
    NeighbourTable,
)
from pileus.drivers.qemu.fabric.state import FabricState, MachineNic
from tests.drivers.qemu.conftest import until
from tests.drivers.qemu.nics import EVERYTHING, NICS, OUT_ONLY, A, FakeNic, X, a_state, nic

VIP, FLOATING_VIP, RANGE, IN_RANGE, SHARED_MAC = (
    "10.0.0.50",
    "198.18.0.60",
    "10.0.0.64/26",
    "10.0.0.70",
    "00:00:5e:00:01:07",
)
SYN = 2
"""The flag of a segment that opens a connection."""
D, C = "10.0.0.6", "10.1.0.7"
FIRST = nic("a", "n-a", A, pairs=[AddressPair(VIP)])
SECOND = nic("d", "n-a", D, pairs=[AddressPair(VIP), AddressPair(RANGE)])
WITHOUT_PAIR = nic("e", "n-a", "10.0.0.8")


def vip_state(revision: int, *nics: NicSpec, **changes: Any) -> FabricState:
    """Two machines that share a virtual IP, which has a floating IP, or other machines in their network."""
    near = nics or (FIRST, SECOND, WITHOUT_PAIR)
    wires = [MachineNic(machine_id=f"m-{nic.port_id}", nic=nic) for nic in (*near, *NICS[1:4])]
    floating_ip = FloatingIPSpec(
        id="f-vip", region_id=1, ip_address=FLOATING_VIP, port_id="vip", fixed_ip_address=VIP, network_id="n-a"
    )
    return a_state(revision, **{"wires": wires, "floating_ips": [floating_ip], **changes})


@pytest.fixture
async def guests(fabric: Fabric) -> AsyncIterator[dict[str, FakeNic]]:
    """The guests' ends of all ports of `vip_state`."""
    await fabric.apply(vip_state(2))
    guests_by_port = {port_id: FakeNic(port.nic) for port_id, port in fabric.switch.ports.items()}
    yield guests_by_port
    for guest in guests_by_port.values():
        guest.wire.close()


def announce(guest: FakeNic, address: str = VIP) -> None:
    """Send a gratuitous ARP frame (RFC 5227)."""
    packed = pack_ip_address(address)
    guest.send(build_arp_frame(REQUEST, (guest.mac, packed), (bytes(6), packed)))


def answer(guest: FakeNic, request: bytes) -> None:
    """Answer the ARP request of a router."""
    guest.send(build_arp_frame(REPLY, (guest.mac, request[38:42]), (request[22:28], request[28:32])))


def arp_requests(frames: list[bytes]) -> list[bytes]:
    return [frame for frame in frames if int.from_bytes(frame[12:14], "big") == ARP]


async def resolve(sender: FakeNic, holder: FakeNic, address: str = VIP) -> Packet:
    """Send a datagram through the router, let the holder answer, and return the packet that it gets."""
    sender.send_udp(sender.gateway, address, (1000, 53))
    (request,) = arp_requests(await holder.frames())
    answer(holder, request)
    (packet,) = await holder.packets()
    return packet


async def test_a_router_asks_who_has_a_virtual_ip_and_sends_what_waited(guests: dict[str, FakeNic]) -> None:
    a, d, c = guests["a"], guests["d"], guests["c"]
    c.send_udp(c.gateway, VIP, (1000, 53))
    (request,) = await a.frames()
    assert request == build_arp_frame(
        REQUEST, (a.gateway, pack_ip_address("10.0.0.1")), (bytes(6), pack_ip_address(VIP))
    )
    assert await d.frames() == [request]
    assert not await guests["e"].frames()

    answer(d, request)
    assert await d.packets() == [Packet(4, UDP, pack_ip_address(C), pack_ip_address(VIP), 1000, 53)]
    c.send_udp(c.gateway, VIP, (1001, 53))

    (frame,) = await d.frames()
    assert (frame[:6], frame[6:12], frame[ETHERNET + 8]) == (d.mac, d.gateway, 63)
    assert not await a.frames()


async def test_a_gratuitous_arp_moves_a_virtual_ip(guests: dict[str, FakeNic]) -> None:
    a, d, c = guests["a"], guests["d"], guests["c"]
    await resolve(c, d)
    await a.frames()

    announce(a)
    c.send_udp(c.gateway, VIP, (1000, 53))

    assert [packet.target for packet in await a.packets()] == [pack_ip_address(VIP)]
    assert not [frame for frame in await d.frames() if parse_ip_packet(frame)]


async def test_traffic_of_a_floating_ip_of_a_virtual_ip_reaches_the_port_that_has_it(
    guests: dict[str, FakeNic],
) -> None:
    """A connection goes on at the other machine."""
    a, d, x = guests["a"], guests["d"], guests["x"]
    x.send_udp(x.gateway, FLOATING_VIP, (1000, 53))
    (request,) = await d.frames()
    answer(d, request)
    expected = Packet(4, UDP, pack_ip_address(X), pack_ip_address(VIP), 1000, 53)
    assert await d.packets() == [expected]
    reply = Packet(4, UDP, pack_ip_address(FLOATING_VIP), pack_ip_address(X), 53, 1000)
    d.send(build_udp_frame((d.mac, d.gateway), (pack_ip_address(VIP), x.address), (53, 1000), b""))
    assert await x.packets() == [reply]
    await a.frames()

    announce(a)
    x.send_udp(x.gateway, FLOATING_VIP, (1000, 53))

    assert await a.packets() == [expected]
    a.send(build_udp_frame((a.mac, a.gateway), (pack_ip_address(VIP), x.address), (53, 1000), b""))
    assert await x.packets() == [reply]
    assert not [frame for frame in await d.frames() if parse_ip_packet(frame)]


async def test_a_ping_to_the_floating_ip_of_a_virtual_ip_is_answered(guests: dict[str, FakeNic]) -> None:
    d, x = guests["d"], guests["x"]
    x.send(build_icmp_frame((x.mac, x.gateway), (x.address, pack_ip_address(FLOATING_VIP)), 8, 0, b"\0\7\0\1ping"))
    (request,) = await d.frames()
    answer(d, request)
    (echo,) = await d.packets()
    assert (echo.target, echo.kind) == (pack_ip_address(VIP), 8)

    d.send(build_icmp_frame((d.mac, d.gateway), (pack_ip_address(VIP), x.address), 0, 0, b"\0\7\0\1ping"))

    assert [(packet.source, packet.kind) for packet in await x.packets()] == [(pack_ip_address(FLOATING_VIP), 0)]


async def test_the_source_address_of_a_virtual_ip_is_its_floating_ip(guests: dict[str, FakeNic]) -> None:
    a, x = guests["a"], guests["x"]
    a.send(build_udp_frame((a.mac, a.gateway), (pack_ip_address(VIP), x.address), (1000, 53), b""))

    assert [packet.source for packet in await x.packets()] == [pack_ip_address(FLOATING_VIP)]


async def test_replies_from_outside_of_the_host_reach_a_virtual_ip(guests: dict[str, FakeNic]) -> None:
    """The metadata service stands for any server outside: it accepts the connection."""
    a = guests["a"]
    ends = pack_ip_address(VIP) + pack_ip_address(METADATA)
    header = struct.pack("!HHIIBBHHH", 1000, 80, 7, 0, 5 << 4, SYN, 4096, 0, 0)
    checksum = internet_checksum(ends + struct.pack("!HH", TCP, len(header)) + header)
    segment = header[:16] + checksum.to_bytes(2, "big") + header[18:]

    a.send(build_ipv4_frame((a.mac, a.gateway), (ends[:4], ends[4:]), TCP, segment))

    (reply,) = await until(a.packets)
    assert reply == Packet(4, TCP, pack_ip_address(METADATA), pack_ip_address(VIP), 80, 1000)


async def test_an_address_in_a_range_is_reached_like_a_single_one(guests: dict[str, FakeNic]) -> None:
    packet = await resolve(guests["c"], guests["d"], IN_RANGE)

    assert packet.target == pack_ip_address(IN_RANGE)
    assert not await guests["a"].frames()


async def test_a_machine_without_the_pair_cannot_take_the_address(fabric: Fabric, guests: dict[str, FakeNic]) -> None:
    c, e = guests["c"], guests["e"]
    c.send_udp(c.gateway, VIP, (1000, 53))
    await c.frames()

    announce(e)

    assert not await e.frames()
    assert fabric.report().counters["e"].dropped == 1


async def test_a_machine_that_loses_its_pair_loses_the_address(fabric: Fabric, guests: dict[str, FakeNic]) -> None:
    a, d, c, x = guests["a"], guests["d"], guests["c"], guests["x"]
    await resolve(c, d)
    x.send_udp(x.gateway, FLOATING_VIP, (1000, 53))
    assert len(await d.packets()) == 1
    await a.frames()
    await fabric.apply(vip_state(3, FIRST, nic("d", "n-a", D), WITHOUT_PAIR))

    x.send_udp(x.gateway, FLOATING_VIP, (1000, 53))
    c.send_udp(c.gateway, VIP, (1000, 53))

    (request,) = await a.frames()
    answer(a, request)
    assert len(await a.packets()) == 2
    assert not await d.frames()


async def test_without_a_machine_that_may_have_the_address_the_floating_ip_is_unreachable(
    fabric: Fabric, guests: dict[str, FakeNic]
) -> None:
    await fabric.apply(vip_state(3, WITHOUT_PAIR))
    x = guests["x"]

    x.send_udp(x.gateway, FLOATING_VIP, (1000, 53))

    assert [(packet.kind, packet.code) for packet in await x.packets()] == [(3, 0)]


async def test_a_fixed_address_moves_to_a_machine_with_a_pair_and_back(
    fabric: Fabric, guests: dict[str, FakeNic]
) -> None:
    await fabric.apply(vip_state(3, FIRST, nic("d", "n-a", D, pairs=[AddressPair(A)])))
    a, d, c = guests["a"], guests["d"], guests["c"]

    for holder, other in ((a, d), (d, a), (a, d)):
        announce(holder, A)
        await other.frames()
        c.send_udp(c.gateway, A, (1000, 53))
        assert len(await holder.packets()) == 1
        assert not await other.packets()


async def test_a_router_reaches_what_a_machine_without_port_security_answers_for(
    fabric: Fabric, guests: dict[str, FakeNic]
) -> None:
    await fabric.apply(vip_state(3, nic("a", "n-a", A, secured=False), WITHOUT_PAIR))

    packet = await resolve(guests["c"], guests["a"], "10.0.0.77")

    assert packet.target == pack_ip_address("10.0.0.77")


async def test_pairs_are_members_of_a_remote_security_group(fabric: Fabric, guests: dict[str, FakeNic]) -> None:
    from_group = NewRule(direction="ingress", remote_group_id="g")
    groups = [
        SecurityGroupSpec(id="g", name="g", rules=EVERYTHING),
        SecurityGroupSpec(id="closed", name="closed", rules=[*OUT_ONLY, from_group]),
    ]
    closed = nic("e", "n-a", "10.0.0.8", groups=["closed"])
    await fabric.apply(vip_state(3, FIRST, SECOND, closed, security_groups=groups))
    d, e = guests["d"], guests["e"]

    for address in (VIP, IN_RANGE, D):
        d.send(build_udp_frame((d.mac, e.mac), (pack_ip_address(address), e.address), (1000, 53), b""))

    assert [packet.source for packet in await e.packets()] == [
        pack_ip_address(address) for address in (VIP, IN_RANGE, D)
    ]


async def test_frames_to_a_shared_hardware_address_reach_who_used_it_last(
    fabric: Fabric, guests: dict[str, FakeNic]
) -> None:
    shared = [AddressPair(VIP, SHARED_MAC)]
    state = vip_state(3, nic("a", "n-a", A, pairs=shared), nic("d", "n-a", D, pairs=shared), WITHOUT_PAIR)
    await fabric.apply(state)
    a, d, c, e = guests["a"], guests["d"], guests["c"], guests["e"]
    mac = bytes.fromhex(SHARED_MAC.replace(":", ""))

    for holder, other in ((a, d), (d, a), (a, d)):
        packed = pack_ip_address(VIP)
        c.send_udp(c.gateway, VIP, (1000, 53))
        await a.frames()
        holder.send(build_arp_frame(REQUEST, (mac, packed), (bytes(6), packed)))
        await other.frames()
        await holder.frames()
        await e.frames()
        e.send_udp(mac, VIP, (1000, 53))
        c.send_udp(c.gateway, VIP, (1001, 53))

        assert [frame[:6] for frame in await holder.frames()] == [mac, mac]
        assert not await other.frames()


async def test_a_virtual_ip_leaves_a_machine_that_no_longer_answers(fabric: Fabric, guests: dict[str, FakeNic]) -> None:
    now, ports, address = 0.0, fabric.switch.ports, pack_ip_address(VIP)
    table = NeighbourTable(fabric.switch.tables, lambda: now)
    table.rebuild(ports, fabric.switch.tables)
    a, d = guests["a"], guests["d"]
    assert table.find("n-a", address) is None
    assert len(arp_requests(await a.frames())) == 1
    table.learn(ports["a"], a.mac, address)
    assert table.find("n-a", address) == Neighbour(ports["a"], a.mac)
    assert not arp_requests(await d.frames())[1:]

    now = CONFIRMED_TIME + 1
    assert table.find("n-a", address) == Neighbour(ports["a"], a.mac)
    assert len(arp_requests(await d.frames())) == 1
    now = CONFIRMED_TIME + ANSWER_TIME
    assert table.find("n-a", address) is None
    assert table.learn(ports["d"], d.mac, address) is ports["a"]
    assert table.find("n-a", address) == Neighbour(ports["d"], d.mac)


async def test_addresses_and_waiting_frames_are_bounded(fabric: Fabric) -> None:
    await fabric.apply(vip_state(3, nic("d", "n-a", D, pairs=[AddressPair("10.0.0.0/8")])))
    now, ports = 0.0, fabric.switch.ports
    table = NeighbourTable(fabric.switch.tables, lambda: now)
    table.rebuild(ports, fabric.switch.tables)
    addresses = [bytes((10, 0, 1 + number // 256, number % 256)) for number in range(NEIGHBOUR_LIMIT + 50)]
    for address in addresses:
        table.find("n-a", address)
        table.add_waiting("n-a", address, "c", b"frame")

    assert [address for address in addresses if table.may_reach("n-a", address)] == addresses[50:]
    waiting = [frame for address in addresses for frame in table.take_waiting("n-a", address)]
    assert len(waiting) == WAITING_LIMIT
    table.add_waiting("n-a", addresses[0], "c", b"frame")
    now = ANSWER_TIME
    assert table.take_waiting("n-a", addresses[0]) == []
