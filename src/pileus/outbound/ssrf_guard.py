"""Which addresses tenants may reach through the server.

A tenant must not reach through the server what only the server can reach. So every name is resolved here, each address
that it has is judged, and connections are made to one that was judged, not to the name once more.
"""

import asyncio
import socket
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

PORTS = {"http": 80, "https": 443, "amqp": 5672, "amqps": 5671}
TRANSLATED = IPv6Network("64:ff9b::/96")
"""Addresses of IPv4, as networks of IPv6 alone write them."""

LOCAL = tuple(map(IPv6Network, ("64:ff9b:1::/48", "::/96", "::ffff:0:0:0/96")))
"""Ranges of IPv6 that stand for addresses of IPv4 in one network, or once did."""
PROVIDERS = frozenset({IPv4Address("168.63.129.16")})
"""Where a cloud speaks to its own machines."""

Address = IPv4Address | IPv6Address


class UnknownName(Exception):
    """A name leads nowhere."""


class NotPublic(Exception):
    """A name leads to where tenants may not go."""


def port_of(scheme: str, given: int | None) -> int:
    """The port that an address means, which need not name it."""
    return given or PORTS[scheme]


async def resolve_public(host: str, port: int, *, anywhere: bool) -> list[Address]:
    """Where a name leads; raises UnknownName, or NotPublic if any of it is not to be reached."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as problem:
        raise UnknownName(f"The name {host} leads nowhere") from problem
    its = [ip_address(str(entry[4][0])) for entry in found]
    if any(not _reachable(address, anywhere=anywhere) for address in its):
        raise NotPublic(f"{host} is not a public address")
    return list(dict.fromkeys(its))


def pin_request(url: "httpx.URL", address: Address, headers: Mapping[str, str]) -> dict[str, Any]:
    """What makes a request go to one address of a name, and say the name; a certificate has to be the name's too."""
    return {
        "url": url.copy_with(host=str(address)),
        "headers": {"Host": url.netloc.decode("ascii"), **headers},
        "extensions": {"sni_hostname": url.raw_host.decode("ascii")},
    }


def _reachable(address: Address, *, anywhere: bool) -> bool:
    """Whether tenants may reach an address through the server, by all that is written in it."""
    meant = [address, *_inside(address)]
    if anywhere:
        return not any(each.is_link_local or each.is_multicast for each in meant)
    return all(each.is_global and not each.is_multicast and not _reserved(each) for each in meant)


def _reserved(address: Address) -> bool:
    """Whether an address is of a kind that is written as if it were global."""
    if isinstance(address, IPv4Address):
        return address in PROVIDERS
    return address.is_site_local or any(address in network for network in LOCAL)


def _inside(address: Address) -> list[Address]:
    """The address of IPv4 that one of IPv6 stands for."""
    if isinstance(address, IPv4Address):
        return []
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in TRANSLATED:
        found.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return [each for each in found if each is not None]
