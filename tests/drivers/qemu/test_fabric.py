"""Test the fabric's parts alone: firewall, frames, lookup tables and metadata."""

from typing import Any, get_args

import pytest

from pileus.domain.network.security_group_policies import SecurityGroupPolicy
from pileus.domain.network.security_rules import NewRule, Protocol
from pileus.drivers.protocols.network import NicSpec, RouterSpec, SecurityGroupSpec, SubnetSpec
from pileus.drivers.qemu.fabric.firewall import (
    IN,
    OUT,
    PROTOCOL_NUMBERS,
    Firewall,
    GroupMembers,
    collect_members_by_group,
    compile_rules_by_direction,
)
from pileus.drivers.qemu.fabric.frames import (
    ETHERNET,
    ICMP,
    ICMPV6,
    TCP,
    UDP,
    AddressesAndPorts,
    Packet,
    build_icmp_frame,
    build_ipv4_frame,
    build_udp_frame,
    internet_checksum,
    is_well_formed_ipv4,
    pack_ip_address,
    parse_ip_packet,
    routed_ipv4_frame,
    translated_ipv4_frame,
)
from pileus.drivers.qemu.fabric.state import FabricState, MachineNic, RouterWithNics
from pileus.drivers.qemu.fabric.tables import NetworkTables

ME, PEER, OTHER = "10.0.0.5", "10.0.0.6", "192.0.2.9"
MACS = (b"\x02\0\0\0\0\1", b"\x02\0\0\0\0\2")
SSH = NewRule(direction="ingress", protocol="tcp", port_range_min=22, port_range_max=22)


def firewall(*rules: NewRule, groups: dict[str, GroupMembers] | None = None) -> Firewall:
    firewall_of_rules = Firewall()
    firewall_of_rules.update_rules(compile_rules_by_direction(rules, groups or {}))
    return firewall_of_rules


def tcp(source: str, target: str, sport: int, dport: int) -> Packet:
    return Packet(4, TCP, pack_ip_address(source), pack_ip_address(target), sport, dport)


def test_without_rules_nothing_passes() -> None:
    closed = firewall()

    assert not closed.accept(tcp(PEER, ME, 4000, 22), IN)
    assert not closed.accept(tcp(ME, PEER, 4000, 22), OUT)


def test_replies_of_accepted_connections_pass_and_nothing_else() -> None:
    open_to_ssh = firewall(SSH)

    assert open_to_ssh.accept(tcp(PEER, ME, 4000, 22), IN)
    assert open_to_ssh.accept(tcp(ME, PEER, 22, 4000), OUT)
    assert not open_to_ssh.accept(tcp(PEER, ME, 4000, 23), IN)
    assert not open_to_ssh.accept(tcp(ME, PEER, 22, 4001), OUT)
    assert not open_to_ssh.accept(Packet(4, UDP, pack_ip_address(PEER), pack_ip_address(ME), 4000, 22), IN)


def test_the_rules_of_a_new_group_let_everything_out_but_port_25() -> None:
    policy = SecurityGroupPolicy()
    usual = firewall(*policy.default_rules(is_default_group=False))
    ends = {4: (ME, OTHER), 6: ("fd00::5", "2001:db8::9")}

    def passes(version: int, protocol: int, direction: str, dport: int = 0, kind: int = -1) -> bool:
        local, remote = map(pack_ip_address, ends[version])
        source, target = (local, remote) if direction == OUT else (remote, local)
        return usual.accept(Packet(version, protocol, source, target, 40000, dport, kind, 0), direction)

    for version, protocol in ((4, TCP), (4, UDP), (6, TCP), (6, UDP)):
        refused = [dport for dport in (1, 22, 24, 25, 26, 53, 443, 65535) if not passes(version, protocol, OUT, dport)]
        assert refused == [25]
    assert passes(4, ICMP, OUT, kind=8)
    assert passes(6, ICMPV6, OUT, kind=128)
    assert all(passes(version, number, OUT) for version in (4, 6) for number in (2, 8, 46, 47, 50, 51, 89, 112, 132))
    assert all(passes(6, number, OUT) for number in (41, 59))
    assert not any(passes(version, protocol, IN, 23) for version in (4, 6) for protocol in (TCP, UDP))


def test_every_protocol_of_rules_has_its_number() -> None:
    assert set(get_args(Protocol)) - {"any"} <= set(PROTOCOL_NUMBERS)


def test_connections_end_when_their_rule_is_removed() -> None:
    changing = firewall(SSH, NewRule(direction="egress"))
    assert changing.accept(tcp(PEER, ME, 4000, 22), IN)
    assert changing.accept(tcp(ME, OTHER, 5000, 80), OUT)

    changing.update_rules(compile_rules_by_direction([NewRule(direction="egress")], {}))

    assert not changing.accept(tcp(PEER, ME, 4000, 22), IN)
    assert changing.accept(tcp(OTHER, ME, 80, 5000), IN)


@pytest.mark.parametrize(
    ("limits", "passes"),
    [
        ({"remote_ip_prefix": "10.0.0.0/24"}, {PEER}),
        ({"remote_ip_prefix": "0.0.0.0/0"}, {PEER, OTHER}),
        ({"remote_group_id": "friends"}, {OTHER}),
        ({"remote_group_id": "ranges"}, {PEER}),
        ({"remote_group_id": "nobody"}, set()),
        ({"ethertype": "IPv6"}, set()),
    ],
)
def test_a_rule_matches_the_remote_address(limits: dict[str, Any], passes: set[str]) -> None:
    friends = collect_members_by_group([(["friends"], [OTHER]), (["others"], [PEER]), (["ranges"], ["10.0.0.4/30"])])
    rule = NewRule(**{"direction": "ingress", "protocol": "tcp", **limits})

    accepted = {
        address for address in (PEER, OTHER) if firewall(rule, groups=friends).accept(tcp(address, ME, 1, 80), IN)
    }

    assert accepted == passes


def test_icmp_passes_by_type_and_icmp_errors_by_their_quoted_connection() -> None:
    pings = firewall(NewRule(direction="ingress", protocol="icmp", port_range_min=8, port_range_max=0), SSH)
    ping = Packet(4, ICMP, pack_ip_address(PEER), pack_ip_address(ME), 7, 7, kind=8, code=0)
    pong = Packet(4, ICMP, pack_ip_address(ME), pack_ip_address(PEER), 7, 7, kind=0, code=0)

    assert pings.accept(ping, IN)
    assert pings.accept(pong, OUT)
    assert not pings.accept(Packet(4, ICMP, pack_ip_address(PEER), pack_ip_address(ME), kind=13, code=0), IN)
    error = Packet(4, ICMP, pack_ip_address(OTHER), pack_ip_address(ME), kind=3, code=1, quoted=tcp(ME, PEER, 22, 4000))
    assert not pings.accept(error, IN)
    assert pings.accept(tcp(PEER, ME, 4000, 22), IN)
    assert pings.accept(error, IN)


def test_forwarding_and_translation_keep_checksums_right_until_the_ttl_expires() -> None:
    ping = build_icmp_frame(MACS, (pack_ip_address(ME), pack_ip_address(OTHER)), 8, 0, b"\0\1\0\1hello")
    sent = routed_ipv4_frame(ping, MACS[1], MACS[0])
    assert sent is not None
    changed = translated_ipv4_frame(sent, AddressesAndPorts(pack_ip_address(OTHER), 9, pack_ip_address(PEER), 9))
    packet = parse_ip_packet(changed)

    assert sent[ETHERNET + 8] == 63
    assert (
        internet_checksum(sent[ETHERNET : ETHERNET + 20]) == internet_checksum(changed[ETHERNET : ETHERNET + 20]) == 0
    )
    assert packet is not None
    assert (packet.source, packet.target, packet.kind, packet.sport) == (
        pack_ip_address(OTHER),
        pack_ip_address(PEER),
        8,
        9,
    )
    assert internet_checksum(changed[ETHERNET + 20 :]) == 0
    last = bytearray(ping)
    last[ETHERNET + 8] = 1
    assert routed_ipv4_frame(bytes(last), MACS[1], MACS[0]) is None


def test_only_complete_packets_with_consistent_lengths_are_well_formed() -> None:
    ends, addresses = MACS, (pack_ip_address(ME), pack_ip_address(OTHER))
    valid = build_udp_frame(ends, addresses, (1, 53), b"x")
    fragment, options = (valid.replace(b"\x45\0", new, 1) for new in (b"\x45\0", b"\x46\0"))
    fragment = fragment[: ETHERNET + 6] + b"\x20\0" + fragment[ETHERNET + 8 :]

    assert is_well_formed_ipv4(valid)
    assert is_well_formed_ipv4(valid + bytes(18))
    assert is_well_formed_ipv4(build_icmp_frame(ends, addresses, 8, 0, bytes(8)))
    assert is_well_formed_ipv4(build_ipv4_frame(ends, addresses, TCP, bytes(12) + b"\x50" + bytes(7)))
    assert not is_well_formed_ipv4(build_ipv4_frame(ends, addresses, TCP, bytes(12) + b"\x60" + bytes(7)))
    assert not is_well_formed_ipv4(build_ipv4_frame(ends, addresses, UDP, bytes(4) + b"\0\x09" + bytes(2)))
    assert not is_well_formed_ipv4(build_ipv4_frame(ends, addresses, 132, bytes(12)))
    assert not is_well_formed_ipv4(fragment)
    assert not is_well_formed_ipv4(options)
    assert not is_well_formed_ipv4(valid[:-1])
    assert not is_well_formed_ipv4(valid[:ETHERNET])


@pytest.mark.parametrize("cut", [0, 13, 14, 20, 33, 40])
def test_truncated_frames_are_parsed_without_an_exception(cut: int) -> None:
    frame = build_udp_frame(MACS, (pack_ip_address(ME), pack_ip_address(PEER)), (1, 2), b"x")

    packet = parse_ip_packet(frame[:cut])

    assert packet is None or packet.source == pack_ip_address(ME)


def a_state(**changes: Any) -> FabricState:
    nic = NicSpec(port_id="p-1", network_id="n-1", mac_address="02:00:00:00:00:01", addresses=[ME], groups=["g-1"])
    subnet = SubnetSpec(id="s-1", network_id="n-1", cidr="10.0.0.0/24", gateway_ip="10.0.0.1")
    fields = {"revision": 1, "wires": [MachineNic(machine_id="m-1", nic=nic)], "subnets": [subnet]}
    return FabricState(**{**fields, **changes})


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
def test_ports_that_are_open_to_every_source_are_forwarded(rule: NewRule, ports: set[tuple[str, int]]) -> None:
    tables = NetworkTables(a_state(security_groups=[SecurityGroupSpec(id="g-1", name="g", rules=[rule])]))

    open_ports = set(tables.publicly_open_ports("p-1"))

    assert open_ports == {(protocol, ME, port) for protocol, port in ports}


def test_networks_with_an_uplink_are_external_or_have_an_external_gateway() -> None:
    inner = NicSpec(port_id="r-1", network_id="n-1", mac_address="02:00:00:00:00:03", addresses=["10.0.0.1"])
    outer = NicSpec(port_id="r-2", network_id="pub", mac_address="02:00:00:00:00:04", addresses=["198.18.0.7"])
    without_gateway = RouterWithNics(router=RouterSpec(id="r", name="r"), nics=[inner])
    with_gateway = RouterWithNics(router=RouterSpec(id="r", name="r", outside=outer), nics=[inner])

    assert NetworkTables(a_state()).networks_with_uplink == set()
    assert NetworkTables(a_state(routers=[without_gateway])).networks_with_uplink == set()
    assert NetworkTables(a_state(routers=[with_gateway], outside=["pub"])).networks_with_uplink == {"n-1", "pub"}
    assert NetworkTables(a_state(routers=[with_gateway])).own_addresses["n-1"] == {pack_ip_address("10.0.0.1")}
