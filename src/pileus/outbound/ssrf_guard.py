"""Protection against server-side request forgery (SSRF).

Tenants must not reach through the server what only the server can reach. So every host name is resolved here, all its
addresses are checked, and connections are made to a checked address, not to the name again.
"""

import asyncio
import socket
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

PORTS = {"http": 80, "https": 443, "amqp": 5672, "amqps": 5671}
NAT64 = IPv6Network("64:ff9b::/96")
"""IPv4 addresses in networks that have IPv6 only."""
IPV4_RANGES = tuple(map(IPv6Network, ("64:ff9b:1::/48", "::/96", "::ffff:0:0:0/96")))
"""IPv6 ranges that stand, or once stood, for IPv4 addresses of a local network."""
CLOUD_SERVICES = frozenset({IPv4Address("168.63.129.16")})
"""Public addresses at which a cloud serves its own machines."""

Address = IPv4Address | IPv6Address


class UnknownHostName(Exception):
    """A host name has no address."""


class AddressNotPublic(Exception):
    """A host name has an address that tenants may not reach."""


def port_or_scheme_default(scheme: str, given: int | None) -> int:
    """Return the given port, or the default one of the scheme."""
    return given or PORTS[scheme]


async def resolve_allowed_addresses(host: str, port: int, *, allow_private: bool) -> list[Address]:
    """Resolve a host name and check all its addresses. Raises UnknownHostName or AddressNotPublic.

    With `allow_private` only link-local and multicast addresses are refused.
    """
    try:
        entries = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as problem:
        raise UnknownHostName(f"The name {host} cannot be resolved") from problem
    addresses = [ip_address(str(entry[4][0])) for entry in entries]
    if any(not _reachable(address, allow_private=allow_private) for address in addresses):
        raise AddressNotPublic(f"{host} is not a public address")
    return list(dict.fromkeys(addresses))


def request_arguments_for_address(url: "httpx.URL", address: Address, headers: Mapping[str, str]) -> dict[str, Any]:
    """Return httpx arguments that send a request to one address, with the host name in its header and TLS handshake."""
    return {
        "url": url.copy_with(host=str(address)),
        "headers": {"Host": url.netloc.decode("ascii"), **headers},
        "extensions": {"sni_hostname": url.raw_host.decode("ascii")},
    }


def _reachable(address: Address, *, allow_private: bool) -> bool:
    """Return whether tenants may reach an address, and the IPv4 addresses that are embedded in it."""
    addresses = [address, *_embedded(address)]
    if allow_private:
        return not any(part.is_link_local or part.is_multicast for part in addresses)
    return all(part.is_global and not part.is_multicast and not _is_reserved(part) for part in addresses)


def _is_reserved(address: Address) -> bool:
    """Return whether an address only looks like a global one."""
    if isinstance(address, IPv4Address):
        return address in CLOUD_SERVICES
    return address.is_site_local or any(address in network for network in IPV4_RANGES)


def _embedded(address: Address) -> list[Address]:
    """Return the IPv4 addresses that an IPv6 address contains."""
    if isinstance(address, IPv4Address):
        return []
    embedded = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in NAT64:
        embedded.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return [part for part in embedded if part is not None]
