"""Test routing between networks, floating IPs and address translation."""

import pytest

from pileus.domain.network.networks import Route
from pileus.domain.network.security_rules import NewRule
from pileus.drivers.protocols.network import SecurityGroupSpec
from pileus.drivers.qemu.fabric.fabric import Fabric
from pileus.drivers.qemu.fabric.frames import (
    ETHERNET,
    ICMP,
    REQUEST,
    UDP,
    Packet,
    build_arp_frame,
    build_icmp_frame,
    build_udp_frame,
    internet_checksum,
    pack_ip_address,
    parse_ip_packet,
)
from pileus.drivers.qemu.fabric.nat import CONNECTION_LIMIT, Nat
from pileus.drivers.qemu.fabric.routing import is_routable_address
from tests.drivers.qemu.nics import (
    FLOATING,
    OUT_ONLY,
    ROUTER_A,
    ROUTER_B,
    A,
    B,
    FakeNic,
    X,
    a_state,
    check_checksums,
    router,
)


async def test_a_router_connects_its_own_networks_only(fabric: Fabric, nics: dict[str, FakeNic]) -> None:
    a, c = nics["a"], nics["c"]
    a.send_udp(a.gateway, "10.1.0.7", (1000, 2000))
    (frame,) = await c.frames()
    assert (frame[:6], frame[6:12], frame[ETHERNET + 8]) == (c.mac, c.gateway, 63)
    c.send_udp(c.gateway, A, (2000, 1000))
    assert [packet.source for packet in await a.packets()] == [pack_ip_address("10.1.0.7")]
    assert not await nics["b"].frames()

    await fabric.apply(a_state(2, routers=[]))
    a.send_udp(a.gateway, "10.1.0.7", (1000, 2000))

    assert not await c.frames()
    (unreachable,) = await a.packets()
    assert (unreachable.kind, unreachable.code) == (3, 0)
    assert unreachable.quoted is not None
    assert unreachable.quoted.target == pack_ip_address("10.1.0.7")


async def test_a_static_route_sends_packets_to_its_next_hop(fabric: Fabric, nics: dict[str, FakeNic]) -> None:
    joined = router("r-a", "n-a", "n-c", routes=[Route("192.0.2.0/24", "10.1.0.7")])
    await fabric.apply(a_state(2, routers=[joined]))

    nics["a"].send_udp(nics["a"].gateway, "192.0.2.77", (1, 2))

    assert [packet.target for packet in await nics["c"].packets()] == [pack_ip_address("192.0.2.77")]


async def test_a_floating_ip_is_translated_in_both_directions(fabric: Fabric, nics: dict[str, FakeNic]) -> None:
    """Also between machines of two tenants that have the same address."""
    a, b = nics["a"], nics["b"]
    a.send_udp(a.gateway, FLOATING, (1000, 53))
    assert await b.packets() == [Packet(4, UDP, pack_ip_address(ROUTER_A), pack_ip_address(B), 1000, 53)]
    b.send_udp(b.gateway, ROUTER_A, (53, 1000))
    assert await a.packets() == [Packet(4, UDP, pack_ip_address(FLOATING), pack_ip_address(A), 53, 1000)]

    await fabric.apply(a_state(2))
    b.send_udp(b.gateway, ROUTER_A, (53, 1000))
    assert len(await a.packets()) == 1
    await fabric.apply(a_state(3, floating_ips=[]))
    b.send_udp(b.gateway, ROUTER_A, (53, 1000))
    a.send_udp(a.gateway, FLOATING, (1000, 53))

    assert not await a.packets()
    assert not await b.packets()


async def test_replies_to_pings_and_icmp_errors_pass_a_floating_ip(nics: dict[str, FakeNic]) -> None:
    a, b = nics["a"], nics["b"]
    a.send(build_icmp_frame((a.mac, a.gateway), (a.address, pack_ip_address(FLOATING)), 8, 0, b"\0\7\0\1ping"))
    assert await b.packets() == [Packet(4, ICMP, pack_ip_address(ROUTER_A), pack_ip_address(B), 7, 7, kind=8, code=0)]
    b.send(build_icmp_frame((b.mac, b.gateway), (b.address, pack_ip_address(ROUTER_A)), 0, 0, b"\0\7\0\1ping"))
    assert await a.packets() == [Packet(4, ICMP, pack_ip_address(FLOATING), pack_ip_address(A), 7, 7, kind=0, code=0)]

    a.send_udp(a.gateway, FLOATING, (1000, 53))
    (sent,) = await b.frames()
    b.send(
        build_icmp_frame(
            (b.mac, b.gateway),
            (b.address, pack_ip_address(ROUTER_A)),
            3,
            3,
            bytes(4) + sent[ETHERNET : ETHERNET + 28],
        )
    )

    (error,) = await a.packets()
    assert (error.source, error.kind, error.code) == (pack_ip_address(FLOATING), 3, 3)
    assert error.quoted == Packet(4, UDP, pack_ip_address(A), pack_ip_address(FLOATING), 1000, 53)


async def test_the_source_address_of_a_port_is_its_floating_ip(nics: dict[str, FakeNic]) -> None:
    b, x = nics["b"], nics["x"]
    b.send_udp(b.gateway, X, (1000, 53))

    assert await x.packets() == [Packet(4, UDP, pack_ip_address(FLOATING), pack_ip_address(X), 1000, 53)]


async def test_fragments_are_translated_like_the_first_one(nics: dict[str, FakeNic]) -> None:
    a, b = nics["a"], nics["b"]
    frame = bytearray(
        build_udp_frame((a.mac, a.gateway), (a.address, pack_ip_address(FLOATING)), (1000, 53), bytes(64))
    )
    for fragment_field, port in ((b"\x20\0", b"\x03\xe8"), (b"\0\x08", b"\xff\xff")):
        frame[ETHERNET + 6 : ETHERNET + 8], frame[34:36] = fragment_field, port
        frame[ETHERNET + 10 : ETHERNET + 12] = bytes(2)
        frame[ETHERNET + 10 : ETHERNET + 12] = internet_checksum(bytes(frame[ETHERNET : ETHERNET + 20])).to_bytes(
            2, "big"
        )
        a.send(bytes(frame))

    first, second = await b.frames()
    assert parse_ip_packet(check_checksums(first)) == Packet(
        4, UDP, pack_ip_address(ROUTER_A), pack_ip_address(B), 1000, 53, fragment=True
    )
    assert parse_ip_packet(check_checksums(second)) == Packet(
        4, UDP, pack_ip_address(ROUTER_A), pack_ip_address(B), fragment=True, first=False
    )
    assert second[34:36] == b"\xff\xff"


async def test_an_external_network_cannot_reach_machines_behind_a_router(nics: dict[str, FakeNic]) -> None:
    a, d, x = nics["a"], nics["d"], nics["x"]
    x.send_udp(x.gateway, A, (1000, 22))
    x.send_udp(x.gateway, ROUTER_A, (1000, 22))
    for other in ("a", "b", "d"):
        assert not await nics[other].frames()

    a.send_udp(a.gateway, X, (1000, 53))
    d.send_udp(d.gateway, X, (1000, 53))
    first, second = await x.packets()
    assert {first.source, second.source} == {pack_ip_address(ROUTER_A)}
    assert first.sport != second.sport
    x.send_udp(x.gateway, ROUTER_A, (53, second.sport))
    assert await d.packets() == [Packet(4, UDP, pack_ip_address(X), pack_ip_address("10.0.0.6"), 53, 1000)]
    assert not await a.packets()


async def test_a_router_without_translation_takes_no_traffic_of_an_external_network(
    fabric: Fabric, nics: dict[str, FakeNic]
) -> None:
    a, b, x = nics["a"], nics["b"], nics["x"]
    routes = [Route("192.0.2.0/24", A)]
    routers = [
        router("r-a", "n-a", "n-c", outside=ROUTER_A, translates=False, routes=routes),
        router("r-b", "n-b", outside=ROUTER_B, translates=False),
    ]
    await fabric.apply(a_state(2, routers=routers))

    for target in (A, "10.1.0.7", "192.0.2.77", ROUTER_A):
        x.send_udp(x.gateway, target, (1000, 53))
    assert not await a.frames()
    assert not await nics["c"].frames()
    a.send_udp(a.gateway, X, (53, 1000))
    assert not await x.frames()
    assert [(packet.kind, packet.code) for packet in await a.packets()] == [(3, 0)]

    b.send_udp(b.gateway, X, (1000, 53))
    assert [packet.source for packet in await x.packets()] == [pack_ip_address(FLOATING)]
    x.send_udp(x.gateway, FLOATING, (53, 1000))
    assert [packet.source for packet in await b.packets()] == [pack_ip_address(X)]
    nics["c"].send_udp(nics["c"].gateway, "192.0.2.77", (1, 2))
    assert [packet.target for packet in await a.packets()] == [pack_ip_address("192.0.2.77")]


async def test_a_floating_ip_is_reachable_from_its_network_and_not_without_an_external_gateway(
    fabric: Fabric, nics: dict[str, FakeNic]
) -> None:
    a, b, x = nics["a"], nics["b"], nics["x"]
    x.send(build_arp_frame(REQUEST, (x.mac, x.address), (bytes(6), pack_ip_address(FLOATING))))
    (arp_reply,) = await x.frames()
    assert arp_reply[22:28] == x.gateway
    x.send_udp(x.gateway, FLOATING, (1000, 22))
    assert await b.packets() == [Packet(4, UDP, pack_ip_address(X), pack_ip_address(B), 1000, 22)]

    await fabric.apply(a_state(2, routers=[router("r-a", "n-a", "n-c")]))
    a.send_udp(a.gateway, FLOATING, (1000, 22))

    assert not await b.frames()


async def test_security_groups_apply_behind_routers_and_floating_ips(fabric: Fabric, nics: dict[str, FakeNic]) -> None:
    a, b, c = nics["a"], nics["b"], nics["c"]
    dns_only = NewRule(direction="ingress", protocol="udp", port_range_min=53, port_range_max=53)
    await fabric.apply(a_state(2, security_groups=[SecurityGroupSpec(id="g", name="g", rules=[*OUT_ONLY, dns_only])]))

    for port in (53, 54):
        a.send_udp(a.gateway, FLOATING, (1000, port))
        a.send_udp(a.gateway, "10.1.0.7", (1000, port))
    assert [packet.dport for packet in await b.packets()] == [53]
    assert [packet.dport for packet in await c.packets()] == [53]
    c.send_udp(c.gateway, A, (53, 1000))
    c.send_udp(c.gateway, A, (55, 1000))

    assert [packet.sport for packet in await a.packets()] == [53]


def test_an_endpoint_with_too_many_connections_loses_its_own_oldest() -> None:
    nat, ends = Nat(), (pack_ip_address(ROUTER_A), pack_ip_address(X))

    def request(source: str, port: int) -> Packet:
        return Packet(4, UDP, pack_ip_address(source), pack_ip_address(X), port, 53)

    nat.open_connection(("d", b""), ("x", b""), request("10.0.0.6", 1), ends, ())
    for number in range(CONNECTION_LIMIT + 1):
        nat.open_connection(("a", b""), ("x", b""), request(A, number), ends, ())

    assert nat.look_up("d", request("10.0.0.6", 1), b"")
    assert nat.look_up("a", request(A, 1), b"")
    assert not nat.look_up("a", request(A, 0), b"")
    replies = [
        nat.look_up("x", Packet(4, UDP, pack_ip_address(X), pack_ip_address(ROUTER_A), 53, port), b"")
        for port in range(3)
    ]
    assert [reply and reply.endpoint_id for reply in replies] == [None, "d", "a"]


@pytest.mark.parametrize(
    ("address", "routed"),
    [
        ("8.8.8.8", True),
        ("169.1.2.3", True),
        ("169.254.1.1", False),
        ("127.0.0.1", False),
        ("0.1.2.3", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("168.63.129.16", False),
    ],
)
def test_link_local_and_host_local_addresses_are_not_routed(address: str, routed: bool) -> None:  # noqa: FBT001  # a test parameter
    assert is_routable_address(pack_ip_address(address)) is routed
