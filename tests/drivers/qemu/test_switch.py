"""What machines hear of each other in a network, and what nobody gets to say there."""

import asyncio
import random
import struct
from contextlib import closing

import msgspec
import pytest

from pileus.domain.network.security_rules import NewRule
from pileus.drivers.protocols.compute import SecurityGroupSpec
from pileus.drivers.qemu.fabric.control import serve_control
from pileus.drivers.qemu.fabric.fabric import Fabric
from pileus.drivers.qemu.fabric.frames import (
    BROADCAST,
    ETHERNET,
    ICMP,
    ICMPV6,
    IPV6,
    REPLY,
    REQUEST,
    UDP,
    Packet,
    arp,
    icmp,
    link_local,
    mac,
    packed,
    parse_packet,
    udp,
)
from pileus.drivers.qemu.fabric.state import Reply, Wire
from pileus.drivers.qemu.fabric.tables import own_mac
from tests.drivers.qemu.nics import (
    FLOATING,
    NICS,
    OUT_ONLY,
    SOON,
    A,
    Card,
    X,
    a_state,
    nic,
    the_library,
    whole,
)


async def test_machines_of_a_network_hear_each_other_and_nobody_else_does(cards: dict[str, Card]) -> None:
    a, d = cards["a"], cards["d"]
    a.to(d.mac, "10.0.0.6", (1000, 2000))
    a.say(arp(REQUEST, (a.mac, a.address), (bytes(6), packed("10.0.0.6"))))

    heard = await d.frames()
    assert parse_packet(heard[0]) == Packet(4, UDP, packed(A), packed("10.0.0.6"), 1000, 2000)
    assert len(heard) == 2
    for other in ("b", "c", "x"):
        assert not await cards[other].frames()


async def test_nobody_speaks_as_another(fabric: Fabric, cards: dict[str, Card]) -> None:
    a, d = cards["a"], cards["d"]
    ends, there = (a.mac, d.mac), packed("10.0.0.6")
    lies = [
        udp((d.mac, d.mac), (a.address, there), (1, 2), b""),
        udp(ends, (packed("10.0.0.9"), there), (1, 2), b""),
        arp(REPLY, (a.mac, packed("10.0.0.1")), (d.mac, there)),
        arp(REPLY, (d.mac, a.address), (d.mac, there)),
        d.mac + a.mac + b"\x81\0" + bytes(60),
        udp(ends, (a.address, there), (1, 2), b"").replace(b"\x08\0\x45", b"\x08\0\x65"),
        d.mac + a.mac,
        b"x",
    ]
    for frame in lies:
        a.say(frame)

    assert not await d.frames()
    assert fabric.report().counters["a"].dropped == len(lies)
    assert fabric.report().counters["a"].packets_out == len(lies)


async def test_who_is_not_secured_may_say_anything_in_its_network(fabric: Fabric, cards: dict[str, Card]) -> None:
    open_nics = [nic("a", "n-a", A, secured=False), *NICS[1:]]
    await fabric.apply(a_state(2, wires=[Wire(machine_id="m", nic=each) for each in open_nics]))
    a, d = cards["a"], cards["d"]

    a.say(d.mac + a.mac + b"\x81\0" + bytes(60))
    a.say(udp((a.mac, d.mac), (packed("10.0.0.9"), packed("10.0.0.6")), (1, 2), b""))

    assert len(await d.frames()) == 2


async def test_in_a_network_that_tenants_share_nobody_does(fabric: Fabric, cards: dict[str, Card]) -> None:
    """Not even who is not secured: a tenant can say so of an interface."""
    shared = [nic("x", "pub", X, secured=False), nic("y", "pub", "198.18.0.51")]
    await fabric.apply(a_state(2, wires=[Wire(machine_id=each.port_id, nic=each) for each in shared]))
    x, y = cards["x"], Card(shared[1])

    x.say(arp(REPLY, (x.mac, packed("198.18.0.1")), (y.mac, y.address)))
    x.say(udp((x.mac, y.mac), (packed("198.18.0.1"), y.address), (1, 2), b""))
    x.say(udp((y.mac, y.mac), (x.address, y.address), (1, 2), b""))
    x.say(y.mac + x.mac + b"\x81\0" + bytes(60))
    x.say(advertisement(x, link_local(x.mac), 134))
    assert not await y.frames()

    x.say(udp((x.mac, y.mac), (x.address, y.address), (1, 2), b""))
    assert len(await y.frames()) == 1
    y.wire.close()


async def test_the_gateway_is_there_and_answers(cards: dict[str, Card]) -> None:
    a = cards["a"]
    a.say(arp(REQUEST, (a.mac, a.address), (bytes(6), packed("10.0.0.1"))))
    a.say(icmp((a.mac, a.gateway), (a.address, packed("10.0.0.1")), 8, 0, b"\0\7\0\1ping"))

    answer, pong = await a.frames()
    assert (answer[22:28], answer[28:32]) == (own_mac("n-a"), packed("10.0.0.1"))
    assert parse_packet(whole(pong)) == Packet(4, ICMP, packed("10.0.0.1"), packed(A), 7, 7, kind=0, code=0)


def advertisement(card: Card, source: bytes, kind: int, *, ahead: bytes = b"") -> bytes:
    """ICMPv6 of a kind, that says something of an address; perhaps behind other headers."""
    content = bytes((kind, 0, 0, 0)) + bytes(4) + source
    first = 0 if ahead else ICMPV6
    head = struct.pack("!IHBB", 6 << 28, len(ahead + content), first, 255) + source + packed("ff02::1")
    return b"\x33\x33\0\0\0\1" + card.mac + IPV6.to_bytes(2, "big") + head + ahead + content


async def test_neighbours_of_ipv6_say_where_they_are_and_nothing_misleading(cards: dict[str, Card]) -> None:
    a, d = cards["a"], cards["d"]
    hop_by_hop = bytes((ICMPV6, 0, 5, 2, 0, 0, 1, 0))
    for honest in (135, 136):
        a.say(advertisement(a, link_local(a.mac), honest))
    heard = await d.hears()
    assert [seen.kind for seen in heard] == [135, 136]

    a.say(advertisement(a, link_local(d.mac), 136))
    a.say(advertisement(a, link_local(a.mac), 134))
    a.say(advertisement(a, link_local(a.mac), 134, ahead=hop_by_hop))
    a.say(advertisement(a, link_local(a.mac), 136, ahead=hop_by_hop))
    about_another = bytearray(advertisement(a, link_local(a.mac), 136))
    about_another[-16:] = link_local(d.mac)
    a.say(bytes(about_another))

    assert not await d.frames()


async def test_a_fabric_that_starts_again_is_as_it_was(fabric: Fabric) -> None:
    ssh = NewRule(direction="ingress", protocol="tcp", port_range_min=22, port_range_max=22, ethertype="IPv4")
    await fabric.apply(a_state(5, security_groups=[SecurityGroupSpec(id="g", name="g", rules=[*OUT_ONLY, ssh])]))
    before = fabric.report().forwards
    assert {(each.port_id, each.way.port) for each in before} == {(each.port_id, 22) for each in NICS}
    fabric.close()

    again = Fabric(the_library())
    await again.restore()
    try:
        assert (again.report().revision, again.report().forwards) == (5, before)
        await again.apply(a_state(4, wires=[]))
        assert again.report().counters.keys() == {each.port_id for each in NICS}
        with closing(Card(NICS[0]).wire) as wire, closing(Card(NICS[4]).wire) as other:
            wire.sendto(
                udp((mac(NICS[0].mac_address), BROADCAST), (packed(A), b"\xff" * 4), (1, 2), b""), "wires/a.host"
            )
            await asyncio.sleep(SOON)
            with pytest.raises(BlockingIOError):
                other.recv(100)
    finally:
        again.close()
        # What the fixture closes is there once more.
        fabric.__init__(the_library())  # type: ignore[misc]


async def test_a_question_that_is_none_gets_an_answer_that_says_so(fabric: Fabric) -> None:
    async with serve_control(fabric):
        for question in (b"what?\n", b'{"state": {"revision": "x"}}\n', b"\n"):
            reader, writer = await asyncio.open_unix_connection("fabric.sock")
            writer.write(question)
            answer = msgspec.json.decode(await reader.readline(), type=Reply)
            assert answer.wrong
            assert answer.report is None
            writer.close()


def spoilt(frame: bytes, chance: random.Random) -> bytes:
    """A frame of which some bytes are others, or that ends too soon."""
    changed = bytearray(frame)
    for _ in range(chance.randint(0, 4)):
        changed[chance.randrange(12, len(changed))] = chance.choice(
            (0, 1, 0x45, 0x4F, 0x60, 0xFF, chance.randrange(256))
        )
    return bytes(changed[: chance.randint(14, len(changed))] if chance.random() < 0.3 else changed)


async def test_nothing_that_a_machine_says_is_too_strange(fabric: Fabric, cards: dict[str, Card]) -> None:
    """What is to be answered well is tested elsewhere: here, that anything can be heard, and nothing breaks of it."""
    chance, a, d = random.Random(7), cards["a"], cards["d"]  # noqa: S311  # the same each time
    away, there, own = (a.mac, a.gateway), packed(FLOATING), a.address
    quoted = udp(away, (there, own), (53, 1000), b"quoted")[ETHERNET:]
    fine = [
        udp(away, (own, there), (1000, 53), b"hello"),
        icmp(away, (own, there), 8, 0, b"\0\7\0\1ping"),
        icmp(away, (own, there), 3, 3, bytes(4) + quoted),
        udp((a.mac, BROADCAST), (bytes(4), b"\xff" * 4), (68, 67), bytes(240) + b"\x63\x82\x53\x63\x35\x01\x01\xff"),
        arp(REQUEST, (a.mac, own), (bytes(6), packed("10.0.0.1"))),
        advertisement(a, link_local(a.mac), 136),
        advertisement(a, link_local(a.mac), 135, ahead=bytes((ICMPV6, 0, 5, 2, 0, 0, 1, 0))),
    ]
    for _ in range(4000):
        fabric.switch.from_machine(fabric.switch.ports["a"], spoilt(chance.choice(fine), chance))

    a.to(d.mac, "10.0.0.6", (1, 2))
    assert any(parse_packet(frame) for frame in await d.frames())
