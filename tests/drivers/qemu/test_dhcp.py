"""Test the DHCP server by its replies, which a client's parser of its own reads."""

import random
import struct
from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import Any

import pytest

from pileus.domain.limits import DNS_NAMESERVERS, HOST_ROUTES
from pileus.domain.network.networks import Route
from pileus.drivers.qemu.fabric import dhcp
from pileus.drivers.qemu.fabric.frames import ETHERNET, build_udp_frame, internet_checksum, pack_ip_address

ME, OTHER = "10.0.0.5", "192.0.2.9"
MACS = (b"\x02\0\0\0\0\1", b"\x02\0\0\0\0\2")
DEFAULT = ("0.0.0.0/0", "10.0.0.1")


def request(kind: int, **options: bytes) -> bytes:
    head = struct.pack("!BBBB4sHH16s6s10s", 1, 1, 6, 0, b"abcd", 0, 0, bytes(16), MACS[0], b"")
    fields = b"".join(bytes((int(code[1:]), len(value))) + value for code, value in options.items())
    payload = head.ljust(236, b"\0") + dhcp.MAGIC_COOKIE + bytes((53, 1, kind)) + fields + b"\xff"
    return build_udp_frame((MACS[0], b"\xff" * 6), (bytes(4), b"\xff" * 4), (68, 67), payload)


def lease(**changes: Any) -> dhcp.Lease:
    fields = {"address": ME, "cidr": "10.0.0.0/24", "gateway": "10.0.0.1", "resolvers": ("192.0.2.53",)}
    return dhcp.Lease(**{**fields, "routes": (), "mtu": 1450, "host_name": "web", **changes})


def pieces(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the options of a field as they stand there (RFC 2132)."""
    while content and content[0] != 255:
        if content[0]:
            yield content[0], content[2 : 2 + content[1]]
        content = content[2 + content[1] :] if content[0] else content[1:]


def option_pieces(frame: bytes) -> list[tuple[int, bytes]]:
    """Return the options of a message and then those in its fields `file` and `sname` (RFC 2131, 3396)."""
    message = frame[ETHERNET + 28 :]
    main_options = list(pieces(message[240:]))
    overload = dict(main_options).get(52, b"\0")[0]
    return [
        *main_options,
        *pieces(message[108:236] if overload & 1 else b""),
        *pieces(message[44:108] if overload & 2 else b""),
    ]


def options_of(frame: bytes) -> dict[int, bytes]:
    """Return the options of a message, with their pieces joined."""
    options: dict[int, bytes] = {}
    for code, value in option_pieces(frame):
        options[code] = options.get(code, b"") + value
    return options


def routes_of(value: bytes) -> list[tuple[str, str]]:
    """Return the classless routes in an option (RFC 3442)."""
    routes = []
    while value:
        width = (value[0] + 7) // 8
        network = IPv4Address(value[1 : 1 + width].ljust(4, b"\0"))
        routes.append((f"{network}/{value[0]}", str(IPv4Address(value[1 + width : 5 + width]))))
        value = value[5 + width :]
    return routes


def offer_of(size: bytes | None = None, **changes: Any) -> bytes:
    """Return the offer for a client that says that it accepts messages of a size."""
    options = {} if size is None else {"o57": size}
    offer = dhcp.build_dhcp_reply(request(dhcp.DISCOVER, **options), lease(**changes), MACS[1])
    assert offer is not None
    return offer


def some_routes(count: int) -> tuple[Route, ...]:
    return tuple(Route(f"10.{100 + index // 128}.{index % 128}.0/25", "10.0.0.9") for index in range(count))


def some_resolvers(count: int) -> tuple[str, ...]:
    return tuple(f"192.0.2.{index}" for index in range(count))


def test_dhcp_offers_the_address_of_the_port() -> None:
    offer = dhcp.build_dhcp_reply(request(dhcp.DISCOVER), lease(), MACS[1])
    assert offer is not None
    options = options_of(offer)

    assert offer[ETHERNET + 28 + 16 : ETHERNET + 28 + 20] == pack_ip_address(ME)
    assert (options[53], options[3], options[6], options[26]) == (
        b"\2",
        pack_ip_address("10.0.0.1"),
        pack_ip_address("192.0.2.53"),
        b"\x05\xaa",
    )
    assert (options[1], options[12]) == (pack_ip_address("255.255.255.0"), b"web")
    assert internet_checksum(offer[ETHERNET : ETHERNET + 20]) == 0


def test_dhcp_refuses_another_address_and_ignores_requests_to_another_server() -> None:
    wrong = dhcp.build_dhcp_reply(request(dhcp.REQUEST, o50=pack_ip_address(OTHER)), lease(), MACS[1])
    assert wrong is not None

    assert options_of(wrong)[53] == bytes((dhcp.NAK,))
    assert dhcp.build_dhcp_reply(request(dhcp.REQUEST, o54=pack_ip_address(OTHER)), lease(), MACS[1]) is None
    assert dhcp.build_dhcp_reply(request(dhcp.DISCOVER), None, MACS[1]) is None
    assert dhcp.build_dhcp_reply(b"\0" * 60, lease(), MACS[1]) is None


def test_dhcp_adds_the_default_route_to_classless_routes() -> None:
    with_routes = dhcp.build_dhcp_reply(
        request(dhcp.DISCOVER), lease(routes=(Route("10.9.0.0/16", "10.0.0.7"),)), MACS[1]
    )
    alone = dhcp.build_dhcp_reply(request(dhcp.DISCOVER), lease(gateway=None), MACS[1])
    assert with_routes is not None
    assert alone is not None

    assert routes_of(options_of(with_routes)[121]) == [DEFAULT, ("10.9.0.0/16", "10.0.0.7")]
    assert options_of(alone)[121] == b"\x10\xa9\xfe" + bytes(4)


def test_what_a_subnet_may_have_fits_each_client_in_one_piece_of_each_option() -> None:
    """A client that names no size accepts 576 bytes."""
    routes, resolvers = some_routes(HOST_ROUTES.value), some_resolvers(DNS_NAMESERVERS.value)

    offer = offer_of(routes=routes, resolvers=resolvers, host_name="h" * 55)

    options = options_of(offer)
    assert len(offer) <= ETHERNET + 576
    assert len(option_pieces(offer)) == len(options)
    assert routes_of(options[121]) == [DEFAULT, *((route.destination, route.nexthop) for route in routes)]
    assert (len(options[6]), options[12]) == (4 * DNS_NAMESERVERS.value, b"h" * 55)


@pytest.mark.parametrize(
    ("size", "limit", "route_count"),
    [(None, 576, 47), (b"\0\x10", 576, 47), (b"", 576, 47), (b"\x04\0", 1024, 97), (b"\xff\xff", 1450, 143)],
)
def test_a_client_gets_as_many_routes_as_its_messages_have_room_for(
    size: bytes | None, limit: int, route_count: int
) -> None:
    routes = some_routes(300)

    offer = offer_of(size, routes=routes)

    options = options_of(offer)
    assert limit - 9 < len(offer) - ETHERNET <= limit
    assert offer[ETHERNET + 28 + 16 : ETHERNET + 28 + 20] == pack_ip_address(ME)
    assert {53, 54, 51, 1, 28, 26, 3, 6, 12} < options.keys()
    expected = [DEFAULT, *((route.destination, route.nexthop) for route in routes)]
    assert routes_of(options[121]) == expected[:route_count]
    assert internet_checksum(offer[ETHERNET : ETHERNET + 20]) == 0


def test_long_options_are_sent_in_pieces_of_whole_values() -> None:
    offer = offer_of(b"\x05\xdc", routes=some_routes(60), resolvers=some_resolvers(100))

    routes = [value for code, value in option_pieces(offer) if code == 121]
    resolvers = [value for code, value in option_pieces(offer) if code == 6]
    assert sum(len(routes_of(value)) for value in routes) == 61
    assert [len(value) for value in resolvers] == [252, 148]


def test_name_servers_leave_room_for_routes() -> None:
    options = options_of(offer_of(routes=some_routes(20), resolvers=some_resolvers(200)))

    assert len(routes_of(options[121])) == 21
    assert len(options[6]) > 4 * DNS_NAMESERVERS.value


@pytest.mark.parametrize(
    "options",
    [
        b"",
        b"\xff",
        b"\x35",
        b"\x35\x00\xff",
        b"\x35\xff\x01",
        b"\x35\x01\x09\xff",
        b"\x35\x01\x02\xff",
        b"\x34\x01\x03\xff",
        b"\x00" * 300,
    ],
)
def test_a_message_that_is_no_request_gets_no_reply(options: bytes) -> None:
    frame = request(dhcp.DISCOVER)
    hostile = frame[: ETHERNET + 28 + 240] + options

    assert dhcp.build_dhcp_reply(hostile, lease(), MACS[1]) is None


def test_options_without_a_value_do_not_break_the_server() -> None:
    rng = random.Random(3)  # noqa: S311  # the same each time
    for _ in range(3000):
        codes = rng.choices((0, 12, 50, 53, 54, 55, 57, 61, 82, 121, 255, rng.randrange(256)), k=6)
        content = b"".join(bytes((code, length := rng.choice((0, 1, 2, 4, 255)))) + bytes(length) for code in codes)
        frame = request(rng.randrange(9))[:-1] + content[: rng.randint(0, len(content))]

        reply = dhcp.build_dhcp_reply(frame, lease(routes=some_routes(40)), MACS[1])

        assert reply is None or options_of(reply)[54] == pack_ip_address("10.0.0.1")
