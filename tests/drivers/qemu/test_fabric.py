"""What the fabric decides of a frame: who may pass, what is told by DHCP, what leads in, and what a machine may ask."""

import struct
from ipaddress import IPv4Address
from typing import Any

import pytest

from pileus.domain.network.networks import Route
from pileus.domain.network.security_rules import NewRule
from pileus.drivers.protocols.compute import Nic, RouterSpec, SecurityGroupSpec, SubnetSpec
from pileus.drivers.qemu.fabric import dhcp
from pileus.drivers.qemu.fabric.firewall import IN, OUT, Firewall, compile_rules, group_addresses
from pileus.drivers.qemu.fabric.frames import (
    ETHERNET,
    ICMP,
    TCP,
    UDP,
    Ends,
    Packet,
    checksum,
    forwarded,
    icmp,
    ipv4,
    is_well_formed,
    packed,
    parse_packet,
    translated,
    udp,
)
from pileus.drivers.qemu.fabric.metadata import metadata_paths
from pileus.drivers.qemu.fabric.state import Guest, RouterState, State, Wire
from pileus.drivers.qemu.fabric.tables import NetworkTables

ME, PEER, OTHER = "10.0.0.5", "10.0.0.6", "192.0.2.9"
MACS = (b"\x02\0\0\0\0\1", b"\x02\0\0\0\0\2")
SSH = NewRule(direction="ingress", protocol="tcp", port_range_min=22, port_range_max=22)


def guard(*rules: NewRule, groups: dict[str, frozenset[bytes]] | None = None) -> Firewall:
    made = Firewall()
    made.update_rules(compile_rules(rules, groups or {}))
    return made


def tcp(source: str, target: str, sport: int, dport: int) -> Packet:
    return Packet(4, TCP, packed(source), packed(target), sport, dport)


def test_nothing_passes_without_a_rule() -> None:
    closed = guard()

    assert not closed.accept(tcp(PEER, ME, 4000, 22), IN)
    assert not closed.accept(tcp(ME, PEER, 4000, 22), OUT)


def test_what_was_let_in_is_answered_and_nothing_else() -> None:
    open_to_ssh = guard(SSH)

    assert open_to_ssh.accept(tcp(PEER, ME, 4000, 22), IN)
    assert open_to_ssh.accept(tcp(ME, PEER, 22, 4000), OUT)
    assert not open_to_ssh.accept(tcp(PEER, ME, 4000, 23), IN)
    assert not open_to_ssh.accept(tcp(ME, PEER, 22, 4001), OUT)
    assert not open_to_ssh.accept(Packet(4, UDP, packed(PEER), packed(ME), 4000, 22), IN)


def test_connections_end_with_the_rule_that_let_them_begin() -> None:
    changing = guard(SSH, NewRule(direction="egress"))
    assert changing.accept(tcp(PEER, ME, 4000, 22), IN)
    assert changing.accept(tcp(ME, OTHER, 5000, 80), OUT)

    changing.update_rules(compile_rules([NewRule(direction="egress")], {}))

    assert not changing.accept(tcp(PEER, ME, 4000, 22), IN)
    assert changing.accept(tcp(OTHER, ME, 80, 5000), IN)


@pytest.mark.parametrize(
    ("limits", "passes"),
    [
        ({"remote_ip_prefix": "10.0.0.0/24"}, {PEER}),
        ({"remote_ip_prefix": "0.0.0.0/0"}, {PEER, OTHER}),
        ({"remote_group_id": "friends"}, {OTHER}),
        ({"remote_group_id": "nobody"}, set()),
        ({"ethertype": "IPv6"}, set()),
    ],
)
def test_a_rule_is_about_the_other_end(limits: dict[str, Any], passes: set[str]) -> None:
    friends = group_addresses([(["friends"], [OTHER]), (["others"], [PEER])])
    rule = NewRule(**{"direction": "ingress", "protocol": "tcp", **limits})

    found = {each for each in (PEER, OTHER) if guard(rule, groups=friends).accept(tcp(each, ME, 1, 80), IN)}

    assert found == passes


def test_messages_pass_by_their_kind_and_errors_by_what_they_are_about() -> None:
    pings = guard(NewRule(direction="ingress", protocol="icmp", port_range_min=8, port_range_max=0), SSH)
    ping = Packet(4, ICMP, packed(PEER), packed(ME), 7, 7, kind=8, code=0)
    pong = Packet(4, ICMP, packed(ME), packed(PEER), 7, 7, kind=0, code=0)

    assert pings.accept(ping, IN)
    assert pings.accept(pong, OUT)
    assert not pings.accept(Packet(4, ICMP, packed(PEER), packed(ME), kind=13, code=0), IN)
    error = Packet(4, ICMP, packed(OTHER), packed(ME), kind=3, code=1, quoted=tcp(ME, PEER, 22, 4000))
    assert not pings.accept(error, IN)
    assert pings.accept(tcp(PEER, ME, 4000, 22), IN)
    assert pings.accept(error, IN)


def request(kind: int, **options: bytes) -> bytes:
    head = struct.pack("!BBBB4sHH16s6s10s", 1, 1, 6, 0, b"abcd", 0, 0, bytes(16), MACS[0], b"")
    fields = b"".join(bytes((int(code[1:]), len(value))) + value for code, value in options.items())
    payload = head.ljust(236, b"\0") + dhcp.MAGIC_COOKIE + bytes((53, 1, kind)) + fields + b"\xff"
    return udp((MACS[0], b"\xff" * 6), (bytes(4), b"\xff" * 4), (68, 67), payload)


def lease(**changes: Any) -> dhcp.Lease:
    facts = {"address": ME, "cidr": "10.0.0.0/24", "gateway": "10.0.0.1", "resolvers": ("192.0.2.53",)}
    return dhcp.Lease(**{**facts, "routes": (), "mtu": 1450, "host_name": "web", **changes})


def options_of(frame: bytes) -> dict[int, bytes]:
    return dict(dhcp.parse_options(frame[ETHERNET + 20 + 8 + 240 :]))  # the other half of what it writes


def test_an_interface_is_told_the_address_that_it_has() -> None:
    offer = dhcp.reply_to(request(dhcp.DISCOVER), lease(), MACS[1])
    assert offer is not None
    said = options_of(offer)

    assert offer[ETHERNET + 28 + 16 : ETHERNET + 28 + 20] == packed(ME)
    assert (said[53], said[3], said[6], said[26]) == (b"\2", packed("10.0.0.1"), packed("192.0.2.53"), b"\x05\xaa")
    assert (said[1], said[12]) == (packed("255.255.255.0"), b"web")
    assert checksum(offer[ETHERNET : ETHERNET + 20]) == 0


def test_another_address_is_refused_and_another_server_left_alone() -> None:
    wrong = dhcp.reply_to(request(dhcp.REQUEST, o50=packed(OTHER)), lease(), MACS[1])
    assert wrong is not None

    assert options_of(wrong)[53] == bytes((dhcp.NAK,))
    assert dhcp.reply_to(request(dhcp.REQUEST, o54=packed(OTHER)), lease(), MACS[1]) is None
    assert dhcp.reply_to(request(dhcp.DISCOVER), None, MACS[1]) is None
    assert dhcp.reply_to(b"\0" * 60, lease(), MACS[1]) is None


def test_routes_are_told_with_the_way_out_among_them() -> None:
    with_routes = dhcp.reply_to(request(dhcp.DISCOVER), lease(routes=(Route("10.9.0.0/16", "10.0.0.7"),)), MACS[1])
    alone = dhcp.reply_to(request(dhcp.DISCOVER), lease(gateway=None), MACS[1])
    assert with_routes is not None
    assert alone is not None

    assert options_of(with_routes)[121] == b"\x10\x0a\x09" + packed("10.0.0.7") + b"\0" + packed("10.0.0.1")
    assert options_of(alone)[121] == b"\x10\xa9\xfe" + bytes(4)


def test_a_router_sends_on_until_the_last_hop_and_keeps_checksums_right() -> None:
    ping = icmp(MACS, (packed(ME), packed(OTHER)), 8, 0, b"\0\1\0\1hello")
    sent = forwarded(ping, MACS[1], MACS[0])
    assert sent is not None
    changed = translated(sent, Ends(packed(OTHER), 9, packed(PEER), 9))
    found = parse_packet(changed)

    assert sent[ETHERNET + 8] == 63
    assert checksum(sent[ETHERNET : ETHERNET + 20]) == checksum(changed[ETHERNET : ETHERNET + 20]) == 0
    assert found is not None
    assert (found.source, found.target, found.kind, found.sport) == (packed(OTHER), packed(PEER), 8, 9)
    assert checksum(changed[ETHERNET + 20 :]) == 0
    last = bytearray(ping)
    last[ETHERNET + 8] = 1
    assert forwarded(bytes(last), MACS[1], MACS[0]) is None


def test_only_what_is_sound_is_let_out_of_the_host() -> None:
    ends, addresses = MACS, (packed(ME), packed(OTHER))
    fine = udp(ends, addresses, (1, 53), b"x")
    piece, options = (fine.replace(b"\x45\0", new, 1) for new in (b"\x45\0", b"\x46\0"))
    piece = piece[: ETHERNET + 6] + b"\x20\0" + piece[ETHERNET + 8 :]

    assert is_well_formed(fine)
    assert is_well_formed(fine + bytes(18))
    assert is_well_formed(icmp(ends, addresses, 8, 0, bytes(8)))
    assert is_well_formed(ipv4(ends, addresses, TCP, bytes(12) + b"\x50" + bytes(7)))
    assert not is_well_formed(ipv4(ends, addresses, TCP, bytes(12) + b"\x60" + bytes(7)))
    assert not is_well_formed(ipv4(ends, addresses, UDP, bytes(4) + b"\0\x09" + bytes(2)))
    assert not is_well_formed(ipv4(ends, addresses, 132, bytes(12)))
    assert not is_well_formed(piece)
    assert not is_well_formed(options)
    assert not is_well_formed(fine[:-1])
    assert not is_well_formed(fine[:ETHERNET])


@pytest.mark.parametrize("cut", [0, 13, 14, 20, 33, 40])
def test_frames_that_are_cut_off_harm_nobody(cut: int) -> None:
    whole = udp(MACS, (packed(ME), packed(PEER)), (1, 2), b"x")

    found = parse_packet(whole[:cut])

    assert found is None or found.source == packed(ME)


def a_state(**changes: Any) -> State:
    nic = Nic(port_id="p-1", network_id="n-1", mac_address="02:00:00:00:00:01", addresses=[ME], groups=["g-1"])
    subnet = SubnetSpec(id="s-1", network_id="n-1", cidr="10.0.0.0/24", gateway_ip="10.0.0.1")
    facts = {"revision": 1, "wires": [Wire(machine_id="m-1", nic=nic)], "subnets": [subnet]}
    return State(**{**facts, **changes})


@pytest.mark.parametrize(
    ("rule", "ports"),
    [
        (SSH, {("tcp", 22)}),
        (
            NewRule(direction="ingress", protocol="udp", port_range_min=53, port_range_max=54),
            {("udp", 53), ("udp", 54)},
        ),
        (NewRule(direction="ingress"), {("tcp", port) for port in (22, 80, 443, 3389, 8080)}),
        (NewRule(direction="ingress", protocol="tcp", remote_ip_prefix="10.0.0.0/8"), set()),
        (NewRule(direction="ingress", protocol="tcp", remote_group_id="g-1"), set()),
        (NewRule(direction="ingress", protocol="icmp"), set()),
        (NewRule(direction="egress"), set()),
    ],
)
def test_what_is_open_to_everybody_is_led_to_from_the_host(rule: NewRule, ports: set[tuple[str, int]]) -> None:
    plan = NetworkTables(a_state(security_groups=[SecurityGroupSpec(id="g-1", name="g", rules=[rule])]))

    found = set(plan.open_ports(plan.wires["p-1"].nic))

    assert found == {(protocol, ME, port) for protocol, port in ports}


def test_the_way_out_is_a_routers_or_an_external_networks() -> None:
    inner = Nic(port_id="r-1", network_id="n-1", mac_address="02:00:00:00:00:03", addresses=["10.0.0.1"])
    outer = Nic(port_id="r-2", network_id="pub", mac_address="02:00:00:00:00:04", addresses=["198.18.0.7"])
    closed = RouterState(router=RouterSpec(id="r", name="r"), nics=[inner])
    leading = RouterState(router=RouterSpec(id="r", name="r", outside=outer), nics=[inner])

    assert NetworkTables(a_state()).networks_with_uplink == set()
    assert NetworkTables(a_state(routers=[closed])).networks_with_uplink == set()
    assert NetworkTables(a_state(routers=[leading], outside=["pub"])).networks_with_uplink == {"n-1", "pub"}
    assert NetworkTables(a_state(routers=[leading])).own_addresses["n-1"] == {packed("10.0.0.1")}


def test_a_machine_is_told_of_itself_alone() -> None:
    found = metadata_paths(
        Guest(machine_id="m-1", name="Web 1", host_name="web-1", tags={"a b/c": "x"}), ME, "02:00:00:00:00:01"
    )

    assert found["/latest/meta-data/instance-id"] == "m-1"
    assert found["/latest/meta-data/tags/instance/a b/c"] == "x"
    assert found["/latest/meta-data/local-ipv4"] == str(IPv4Address(ME))
    assert "/latest/user-data" not in found
    assert "/latest/meta-data/public-keys" not in found
