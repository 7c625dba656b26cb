"""Test switching within a network, and protection against spoofed frames."""

import asyncio
import random
import resource
import struct
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from pileus.domain.network.security_rules import NewRule
from pileus.drivers.protocols.network import SecurityGroupSpec
from pileus.drivers.qemu.fabric.__main__ import raise_file_limit
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
    TCP,
    UDP,
    Packet,
    build_arp_frame,
    build_icmp_frame,
    build_udp_frame,
    link_local_address,
    pack_ip_address,
    parse_ip_packet,
    parse_mac_address,
)
from pileus.drivers.qemu.fabric.state import HostBridge, MachineNic, SavedFabricState, StateReply
from pileus.drivers.qemu.fabric.tables import gateway_mac_address
from pileus.drivers.qemu.fabric.uplink import may_open_flow
from tests.drivers.qemu.nics import (
    DELIVERY_TIME,
    FLOATING,
    NICS,
    OUT_ONLY,
    A,
    FakeNic,
    X,
    a_state,
    check_checksums,
    nic,
    require_libslirp,
)


async def test_frames_reach_machines_of_the_same_network_only(nics: dict[str, FakeNic]) -> None:
    a, d = nics["a"], nics["d"]
    a.send_udp(d.mac, "10.0.0.6", (1000, 2000))
    a.send(build_arp_frame(REQUEST, (a.mac, a.address), (bytes(6), pack_ip_address("10.0.0.6"))))

    received = await d.frames()
    assert parse_ip_packet(received[0]) == Packet(4, UDP, pack_ip_address(A), pack_ip_address("10.0.0.6"), 1000, 2000)
    assert len(received) == 2
    for other in ("b", "c", "x"):
        assert not await nics[other].frames()


async def test_spoofed_frames_are_dropped(fabric: Fabric, nics: dict[str, FakeNic]) -> None:
    a, d = nics["a"], nics["d"]
    ends, target = (a.mac, d.mac), pack_ip_address("10.0.0.6")
    spoofed = [
        build_udp_frame((d.mac, d.mac), (a.address, target), (1, 2), b""),
        build_udp_frame(ends, (pack_ip_address("10.0.0.9"), target), (1, 2), b""),
        build_arp_frame(REPLY, (a.mac, pack_ip_address("10.0.0.1")), (d.mac, target)),
        build_arp_frame(REPLY, (d.mac, a.address), (d.mac, target)),
        d.mac + a.mac + b"\x81\0" + bytes(60),
        build_udp_frame(ends, (a.address, target), (1, 2), b"").replace(b"\x08\0\x45", b"\x08\0\x65"),
        d.mac + a.mac,
        b"x",
    ]
    for frame in spoofed:
        a.send(frame)

    assert not await d.frames()
    assert fabric.report().counters["a"].dropped == len(spoofed)
    assert fabric.report().counters["a"].packets_out == len(spoofed)


async def test_without_port_security_any_frame_passes_in_a_tenants_network(
    fabric: Fabric, nics: dict[str, FakeNic]
) -> None:
    open_nics = [nic("a", "n-a", A, secured=False), *NICS[1:]]
    await fabric.apply(a_state(2, wires=[MachineNic(machine_id="m", nic=nic) for nic in open_nics]))
    a, d = nics["a"], nics["d"]

    a.send(d.mac + a.mac + b"\x81\0" + bytes(60))
    a.send(build_udp_frame((a.mac, d.mac), (pack_ip_address("10.0.0.9"), pack_ip_address("10.0.0.6")), (1, 2), b""))

    assert len(await d.frames()) == 2


async def test_spoofed_frames_are_dropped_in_an_external_network_even_without_port_security(
    fabric: Fabric, nics: dict[str, FakeNic]
) -> None:
    """Tenants can switch off port security, which must not help them there."""
    shared = [nic("x", "pub", X, secured=False), nic("y", "pub", "198.18.0.51")]
    await fabric.apply(a_state(2, wires=[MachineNic(machine_id=nic.port_id, nic=nic) for nic in shared]))
    x, y = nics["x"], FakeNic(shared[1])

    x.send(build_arp_frame(REPLY, (x.mac, pack_ip_address("198.18.0.1")), (y.mac, y.address)))
    x.send(build_udp_frame((x.mac, y.mac), (pack_ip_address("198.18.0.1"), y.address), (1, 2), b""))
    x.send(build_udp_frame((y.mac, y.mac), (x.address, y.address), (1, 2), b""))
    x.send(y.mac + x.mac + b"\x81\0" + bytes(60))
    x.send(advertisement(x, link_local_address(x.mac), 134))
    assert not await y.frames()

    x.send(build_udp_frame((x.mac, y.mac), (x.address, y.address), (1, 2), b""))
    assert len(await y.frames()) == 1
    y.wire.close()


async def test_the_gateway_answers_arp_and_ping(nics: dict[str, FakeNic]) -> None:
    a = nics["a"]
    a.send(build_arp_frame(REQUEST, (a.mac, a.address), (bytes(6), pack_ip_address("10.0.0.1"))))
    a.send(build_icmp_frame((a.mac, a.gateway), (a.address, pack_ip_address("10.0.0.1")), 8, 0, b"\0\7\0\1ping"))

    arp_reply, echo_reply = await a.frames()
    assert (arp_reply[22:28], arp_reply[28:32]) == (gateway_mac_address("n-a"), pack_ip_address("10.0.0.1"))
    assert parse_ip_packet(check_checksums(echo_reply)) == Packet(
        4, ICMP, pack_ip_address("10.0.0.1"), pack_ip_address(A), 7, 7, kind=0, code=0
    )


def advertisement(nic: FakeNic, source: bytes, kind: int, *, extension_headers: bytes = b"") -> bytes:
    """Build an ICMPv6 message of a type about an address, perhaps behind extension headers."""
    content = bytes((kind, 0, 0, 0)) + bytes(4) + source
    next_header = 0 if extension_headers else ICMPV6
    head = (
        struct.pack("!IHBB", 6 << 28, len(extension_headers + content), next_header, 255)
        + source
        + pack_ip_address("ff02::1")
    )
    return b"\x33\x33\0\0\0\1" + nic.mac + IPV6.to_bytes(2, "big") + head + extension_headers + content


async def test_neighbour_discovery_passes_and_spoofed_advertisements_do_not(nics: dict[str, FakeNic]) -> None:
    a, d = nics["a"], nics["d"]
    hop_by_hop = bytes((ICMPV6, 0, 5, 2, 0, 0, 1, 0))
    for icmp_type in (135, 136):
        a.send(advertisement(a, link_local_address(a.mac), icmp_type))
    received = await d.packets()
    assert [packet.kind for packet in received] == [135, 136]

    a.send(advertisement(a, link_local_address(d.mac), 136))
    a.send(advertisement(a, link_local_address(a.mac), 134))
    a.send(advertisement(a, link_local_address(a.mac), 134, extension_headers=hop_by_hop))
    a.send(advertisement(a, link_local_address(a.mac), 136, extension_headers=hop_by_hop))
    spoofed = bytearray(advertisement(a, link_local_address(a.mac), 136))
    spoofed[-16:] = link_local_address(d.mac)
    a.send(bytes(spoofed))

    assert not await d.frames()


def dhcp_replies(sender: FakeNic) -> list[bytes]:
    """Build what DHCP servers send to clients, by IPv4 and by IPv6, unicast and to all."""
    ports = (67, 68)
    by_ipv6 = (
        struct.pack("!IHBB", 6 << 28, 16, UDP, 64)
        + link_local_address(sender.mac)
        + pack_ip_address("ff02::1")
        + struct.pack("!HHHH", 547, 546, 16, 0)
        + bytes(8)
    )
    return [
        build_udp_frame((sender.mac, BROADCAST), (sender.address, b"\xff" * 4), ports, bytes(300)),
        build_udp_frame(
            (sender.mac, parse_mac_address(NICS[4].mac_address)),
            (sender.address, pack_ip_address("10.0.0.6")),
            ports,
            bytes(300),
        ),
        b"\x33\x33\0\0\0\1" + sender.mac + IPV6.to_bytes(2, "big") + by_ipv6,
    ]


async def test_a_machine_cannot_be_a_dhcp_server_unless_port_security_is_off(
    fabric: Fabric, nics: dict[str, FakeNic]
) -> None:
    """Its security groups do not matter. Without port security, replies pass the groups of all clients."""
    a, d = nics["a"], nics["d"]
    for frame in dhcp_replies(a):
        a.send(frame)
    assert not await d.frames()
    assert fabric.report().counters["a"].dropped == 3

    open_nics = [nic("a", "n-a", A, secured=False), *NICS[1:4], nic("d", "n-a", "10.0.0.6", groups=[])]
    await fabric.apply(a_state(2, wires=[MachineNic(machine_id="m", nic=nic) for nic in open_nics]))
    for frame in dhcp_replies(a):
        a.send(frame)

    assert await d.frames() == dhcp_replies(a)


async def test_nobody_can_be_a_dhcp_server_in_an_external_network(fabric: Fabric) -> None:
    shared = [nic("x", "pub", X, secured=False), nic("y", "pub", "198.18.0.51", secured=False)]
    await fabric.apply(a_state(2, wires=[MachineNic(machine_id=nic.port_id, nic=nic) for nic in shared]))

    with closing((x := FakeNic(shared[0])).wire), closing((y := FakeNic(shared[1])).wire):
        for frame in dhcp_replies(x):
            x.send(frame)
        assert not await y.frames()


async def test_without_dhcp_in_the_subnet_a_machine_can_be_the_server(fabric: Fabric, nics: dict[str, FakeNic]) -> None:
    a, d = nics["a"], nics["d"]
    request = build_udp_frame((d.mac, BROADCAST), (bytes(4), b"\xff" * 4), (68, 67), bytes(300))
    wires = [MachineNic(machine_id="m", nic=nic("a", "n-a", A, secured=False)), MachineNic(machine_id="m", nic=NICS[4])]
    d.send(request)
    assert not await a.frames()
    subnets = [replace(subnet, enable_dhcp=False) for subnet in a_state().subnets]
    await fabric.apply(a_state(2, wires=wires, subnets=subnets))

    d.send(request)
    d.send(build_udp_frame((d.mac, BROADCAST), (a.address, b"\xff" * 4), (68, 67), bytes(300)))

    assert await a.frames() == [request]


async def test_a_restarted_fabric_restores_its_state_and_port_forwards(fabric: Fabric) -> None:
    ssh = NewRule(direction="ingress", protocol="tcp", port_range_min=22, port_range_max=22, ethertype="IPv4")
    await fabric.apply(a_state(5, security_groups=[SecurityGroupSpec(id="g", name="g", rules=[*OUT_ONLY, ssh])]))
    before = fabric.report().forwards
    assert {(forward.port_id, forward.way.port) for forward in before} == {(nic.port_id, 22) for nic in NICS}
    fabric.close()

    restarted = Fabric(require_libslirp())
    await restarted.restore_saved_state()
    try:
        assert (restarted.report().revision, restarted.report().forwards) == (5, before)
        await restarted.apply(a_state(4, wires=[]))
        assert restarted.report().counters.keys() == {nic.port_id for nic in NICS}
        with closing(FakeNic(NICS[0]).wire) as wire, closing(FakeNic(NICS[4]).wire) as other:
            wire.sendto(
                build_udp_frame(
                    (parse_mac_address(NICS[0].mac_address), BROADCAST), (pack_ip_address(A), b"\xff" * 4), (1, 2), b""
                ),
                "wires/a.host",
            )
            await asyncio.sleep(DELIVERY_TIME)
            with pytest.raises(BlockingIOError):
                other.recv(100)
    finally:
        restarted.close()
        # The fixture closes the fabric once more.
        fabric.__init__(require_libslirp())  # type: ignore[misc]


def saved_state_without_its_bridge() -> bytes:
    """Return a saved state whose bridge is gone; networks that are not bridged are as in `a_state`."""
    bridges = {"n-gone": HostBridge(name="br-gone", device="no/device")}
    return msgspec.json.encode(SavedFabricState(state=a_state(5, bridges=bridges)))


@pytest.mark.parametrize(
    ("content", "restored"),
    [(b"", set()), (saved_state_without_its_bridge()[:-40], set()), (saved_state_without_its_bridge(), set("abcdx"))],
    ids=["empty", "cut", "without its bridge"],
)
async def test_a_fabric_comes_up_with_what_it_can_restore(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, restored: set[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("wires", "md"):
        (tmp_path / folder).mkdir()
    (tmp_path / "state.json").write_bytes(content)

    with closing(Fabric(require_libslirp())) as fabric:
        await fabric.restore_saved_state()
        assert fabric.report().counters.keys() == restored
        await fabric.apply(a_state(6))
        assert fabric.report().counters.keys() == {nic.port_id for nic in NICS}


async def test_an_interface_has_a_limited_number_of_outgoing_flows(
    fabric: Fabric, nics: dict[str, FakeNic], monkeypatch: pytest.MonkeyPatch
) -> None:
    x, port, uplink = nics["x"], fabric.switch.ports["x"], fabric.switch.uplinks["x"]
    monkeypatch.setattr(uplink, "_flow_limit", uplink.open_sockets + 3)

    # Nothing is closed meanwhile: the event loop does not run.
    for source_port in (1001, 1001, 1002, 1003, 1004, 1005):
        addresses = x.address, pack_ip_address("192.0.2.1")
        fabric.switch.handle_machine_frame(port, build_udp_frame((x.mac, x.gateway), addresses, (source_port, 9), b""))

    assert port.counters.dropped == 2


@pytest.mark.parametrize(
    ("flags", "opens"), [(0x02, True), (0xC2, True), (0x12, False), (0x10, False), (0x18, False), (0x04, False)]
)
def test_only_the_first_packet_opens_a_connection_of_tcp(flags: int, opens: bool) -> None:  # noqa: FBT001  # a test parameter
    assert may_open_flow(bytes(23) + bytes([TCP]) + bytes(23) + bytes([flags]) + bytes(6)) is opens


def test_the_fabric_may_open_as_many_files_as_it_can() -> None:
    limit, highest = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest - 1, highest))
    try:
        raise_file_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (highest, highest)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, highest))


async def test_invalid_requests_get_an_error_reply(fabric: Fabric) -> None:
    async with serve_control(fabric):
        for line in (b"what?\n", b'{"state": {"revision": "x"}}\n', b"\n"):
            reader, writer = await asyncio.open_unix_connection("fabric.sock")
            writer.write(line)
            reply = msgspec.json.decode(await reader.readline(), type=StateReply)
            assert reply.wrong
            assert reply.report is None
            writer.close()


def mutated(frame: bytes, rng: random.Random) -> bytes:
    """Return a frame with some bytes changed, or truncated."""
    changed = bytearray(frame)
    for _ in range(rng.randint(0, 4)):
        changed[rng.randrange(12, len(changed))] = rng.choice((0, 1, 0x45, 0x4F, 0x60, 0xFF, rng.randrange(256)))
    return bytes(changed[: rng.randint(14, len(changed))] if rng.random() < 0.3 else changed)


async def test_malformed_frames_do_not_break_the_fabric(fabric: Fabric, nics: dict[str, FakeNic]) -> None:
    """Random frames must not raise exceptions."""
    rng, a, d = random.Random(7), nics["a"], nics["d"]  # noqa: S311  # the same each time
    ends, target, source = (a.mac, a.gateway), pack_ip_address(FLOATING), a.address
    quoted = build_udp_frame(ends, (target, source), (53, 1000), b"quoted")[ETHERNET:]
    valid_frames = [
        build_udp_frame(ends, (source, target), (1000, 53), b"hello"),
        build_icmp_frame(ends, (source, target), 8, 0, b"\0\7\0\1ping"),
        build_icmp_frame(ends, (source, target), 3, 3, bytes(4) + quoted),
        build_udp_frame(
            (a.mac, BROADCAST),
            (bytes(4), b"\xff" * 4),
            (68, 67),
            b"\1" + bytes(235) + b"\x63\x82\x53\x63" + b"\x35\x01\x01\xff" * 9,
        ),
        build_arp_frame(REQUEST, (a.mac, source), (bytes(6), pack_ip_address("10.0.0.1"))),
        advertisement(a, link_local_address(a.mac), 136),
        advertisement(a, link_local_address(a.mac), 135, extension_headers=bytes((ICMPV6, 0, 5, 2, 0, 0, 1, 0))),
    ]
    for _ in range(4000):
        fabric.switch.handle_machine_frame(fabric.switch.ports["a"], mutated(rng.choice(valid_frames), rng))

    a.send_udp(d.mac, "10.0.0.6", (1, 2))
    assert any(parse_ip_packet(frame) for frame in await d.frames())
    assert fabric.report().malformed > 0
