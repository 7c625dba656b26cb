"""What goes from one network to another, and as whom its sender is seen there."""

import pytest

from pileus.domain.network.networks import Route
from pileus.domain.network.security_rules import NewRule
from pileus.drivers.protocols.compute import SecurityGroupSpec
from pileus.drivers.qemu.fabric.fabric import Fabric
from pileus.drivers.qemu.fabric.frames import (
    ETHERNET,
    ICMP,
    REQUEST,
    UDP,
    Packet,
    arp,
    checksum,
    icmp,
    packed,
    parse_packet,
    udp,
)
from pileus.drivers.qemu.fabric.nat import CONNECTION_LIMIT, Nat
from pileus.drivers.qemu.fabric.routing import is_routed
from tests.drivers.qemu.nics import FLOATING, OUT_ONLY, ROUTER_A, A, B, Card, X, a_state, router, whole


async def test_a_router_joins_networks_of_its_own_and_no_others(fabric: Fabric, cards: dict[str, Card]) -> None:
    a, c = cards["a"], cards["c"]
    a.to(a.gateway, "10.1.0.7", (1000, 2000))
    (frame,) = await c.frames()
    assert (frame[:6], frame[6:12], frame[ETHERNET + 8]) == (c.mac, c.gateway, 63)
    c.to(c.gateway, A, (2000, 1000))
    assert [seen.source for seen in await a.hears()] == [packed("10.1.0.7")]
    assert not await cards["b"].frames()

    await fabric.apply(a_state(2, routers=[]))
    a.to(a.gateway, "10.1.0.7", (1000, 2000))

    assert not await c.frames()
    (told,) = await a.hears()
    assert (told.kind, told.code) == (3, 0)
    assert told.quoted is not None
    assert told.quoted.target == packed("10.1.0.7")


async def test_a_static_route_leads_to_the_machine_that_goes_on_from_there(
    fabric: Fabric, cards: dict[str, Card]
) -> None:
    joined = router("r-a", "n-a", "n-c", routes=[Route("192.0.2.0/24", "10.1.0.7")])
    await fabric.apply(a_state(2, routers=[joined]))

    cards["a"].to(cards["a"].gateway, "192.0.2.77", (1, 2))

    assert [seen.target for seen in await cards["c"].hears()] == [packed("192.0.2.77")]


async def test_a_floating_ip_leads_to_its_machine_and_answers_come_from_it(
    fabric: Fabric, cards: dict[str, Card]
) -> None:
    """Even between two tenants who have given their machines the same address."""
    a, b = cards["a"], cards["b"]
    a.to(a.gateway, FLOATING, (1000, 53))
    assert await b.hears() == [Packet(4, UDP, packed(ROUTER_A), packed(B), 1000, 53)]
    b.to(b.gateway, ROUTER_A, (53, 1000))
    assert await a.hears() == [Packet(4, UDP, packed(FLOATING), packed(A), 53, 1000)]

    await fabric.apply(a_state(2))
    b.to(b.gateway, ROUTER_A, (53, 1000))
    assert len(await a.hears()) == 1
    await fabric.apply(a_state(3, floating_ips=[]))
    b.to(b.gateway, ROUTER_A, (53, 1000))
    a.to(a.gateway, FLOATING, (1000, 53))

    assert not await a.hears()
    assert not await b.hears()


async def test_pings_and_errors_find_their_way_back_through_a_floating_ip(cards: dict[str, Card]) -> None:
    a, b = cards["a"], cards["b"]
    a.say(icmp((a.mac, a.gateway), (a.address, packed(FLOATING)), 8, 0, b"\0\7\0\1ping"))
    assert await b.hears() == [Packet(4, ICMP, packed(ROUTER_A), packed(B), 7, 7, kind=8, code=0)]
    b.say(icmp((b.mac, b.gateway), (b.address, packed(ROUTER_A)), 0, 0, b"\0\7\0\1ping"))
    assert await a.hears() == [Packet(4, ICMP, packed(FLOATING), packed(A), 7, 7, kind=0, code=0)]

    a.to(a.gateway, FLOATING, (1000, 53))
    (sent,) = await b.frames()
    b.say(
        icmp(
            (b.mac, b.gateway),
            (b.address, packed(ROUTER_A)),
            3,
            3,
            bytes(4) + sent[ETHERNET : ETHERNET + 28],
        )
    )

    (told,) = await a.hears()
    assert (told.source, told.kind, told.code) == (packed(FLOATING), 3, 3)
    assert told.quoted == Packet(4, UDP, packed(A), packed(FLOATING), 1000, 53)


async def test_who_has_a_floating_ip_is_seen_as_it(cards: dict[str, Card]) -> None:
    b, x = cards["b"], cards["x"]
    b.to(b.gateway, X, (1000, 53))

    assert await x.hears() == [Packet(4, UDP, packed(FLOATING), packed(X), 1000, 53)]


async def test_a_piece_of_a_packet_goes_the_way_of_its_first(cards: dict[str, Card]) -> None:
    a, b = cards["a"], cards["b"]
    frame = bytearray(udp((a.mac, a.gateway), (a.address, packed(FLOATING)), (1000, 53), bytes(64)))
    for split, port in ((b"\x20\0", b"\x03\xe8"), (b"\0\x08", b"\xff\xff")):
        frame[ETHERNET + 6 : ETHERNET + 8], frame[34:36] = split, port
        frame[ETHERNET + 10 : ETHERNET + 12] = bytes(2)
        frame[ETHERNET + 10 : ETHERNET + 12] = checksum(bytes(frame[ETHERNET : ETHERNET + 20])).to_bytes(2, "big")
        a.say(bytes(frame))

    first, second = await b.frames()
    assert parse_packet(whole(first)) == Packet(4, UDP, packed(ROUTER_A), packed(B), 1000, 53, fragment=True)
    assert parse_packet(whole(second)) == Packet(4, UDP, packed(ROUTER_A), packed(B), fragment=True, first=False)
    assert second[34:36] == b"\xff\xff"


async def test_what_is_outside_does_not_reach_those_behind_a_router(fabric: Fabric, cards: dict[str, Card]) -> None:
    a, d, x = cards["a"], cards["d"], cards["x"]
    x.to(x.gateway, A, (1000, 22))
    x.to(x.gateway, ROUTER_A, (1000, 22))
    for other in ("a", "b", "d"):
        assert not await cards[other].frames()

    a.to(a.gateway, X, (1000, 53))
    d.to(d.gateway, X, (1000, 53))
    first, second = await x.hears()
    assert {first.source, second.source} == {packed(ROUTER_A)}
    assert first.sport != second.sport
    x.to(x.gateway, ROUTER_A, (53, second.sport))
    assert await d.hears() == [Packet(4, UDP, packed(X), packed("10.0.0.6"), 53, 1000)]
    assert not await a.hears()

    await fabric.apply(a_state(2, routers=[router("r-a", "n-a", outside=ROUTER_A, translates=False)]))
    x.to(x.gateway, A, (1000, 22))
    assert [seen.source for seen in await a.hears()] == [packed(X)]


async def test_a_floating_ip_is_found_in_its_network_and_not_from_where_nothing_leads_out(
    fabric: Fabric, cards: dict[str, Card]
) -> None:
    a, b, x = cards["a"], cards["b"], cards["x"]
    x.say(arp(REQUEST, (x.mac, x.address), (bytes(6), packed(FLOATING))))
    (answer,) = await x.frames()
    assert answer[22:28] == x.gateway
    x.to(x.gateway, FLOATING, (1000, 22))
    assert await b.hears() == [Packet(4, UDP, packed(X), packed(B), 1000, 22)]

    await fabric.apply(a_state(2, routers=[router("r-a", "n-a", "n-c")]))
    a.to(a.gateway, FLOATING, (1000, 22))

    assert not await b.frames()


async def test_rules_hold_behind_routers_and_floating_ips(fabric: Fabric, cards: dict[str, Card]) -> None:
    a, b, c = cards["a"], cards["b"], cards["c"]
    only = NewRule(direction="ingress", protocol="udp", port_range_min=53, port_range_max=53)
    await fabric.apply(a_state(2, security_groups=[SecurityGroupSpec(id="g", name="g", rules=[*OUT_ONLY, only])]))

    for port in (53, 54):
        a.to(a.gateway, FLOATING, (1000, port))
        a.to(a.gateway, "10.1.0.7", (1000, port))
    assert [seen.dport for seen in await b.hears()] == [53]
    assert [seen.dport for seen in await c.hears()] == [53]
    c.to(c.gateway, A, (53, 1000))
    c.to(c.gateway, A, (55, 1000))

    assert [seen.sport for seen in await a.hears()] == [53]


def test_who_begins_too_many_connections_loses_its_own() -> None:
    nat, ends = Nat(), (packed(ROUTER_A), packed(X))

    def asked(source: str, port: int) -> Packet:
        return Packet(4, UDP, packed(source), packed(X), port, 53)

    nat.open(("d", b""), "x", asked("10.0.0.6", 1), ends, ())
    for number in range(CONNECTION_LIMIT + 1):
        nat.open(("a", b""), "x", asked(A, number), ends, ())

    assert nat.look_up("d", asked("10.0.0.6", 1), b"")
    assert nat.look_up("a", asked(A, 1), b"")
    assert not nat.look_up("a", asked(A, 0), b"")
    answers = [nat.look_up("x", Packet(4, UDP, packed(X), packed(ROUTER_A), 53, port), b"") for port in range(3)]
    assert [answer and answer.endpoint_id for answer in answers] == [None, "d", "a"]


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
def test_routers_lead_to_hosts_and_not_to_what_is_the_hosts_own(address: str, routed: bool) -> None:  # noqa: FBT001
    assert is_routed(packed(address)) is routed
