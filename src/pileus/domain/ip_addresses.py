"""Parse addresses and ranges. A zone is refused, as in `fe80::1%eth0`.

The standard library takes any text as a zone, quotes and line breaks too. A zone names an interface of one host, so it
means nothing in a cloud, and this text must not reach the configuration of a program.
"""

import ipaddress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address
Cidr = IPv4Network | IPv6Network


def ip_address(text: str) -> Address:
    """Parse an address. Raises ValueError."""
    return ipaddress.ip_address(text if "%" not in text else "")


def ip_network(text: str, *, strict: bool = True) -> Cidr:
    """Parse an address or a range in CIDR notation; host bits may be set unless `strict`. Raises ValueError."""
    return ipaddress.ip_network(text if "%" not in text else "", strict=strict)
