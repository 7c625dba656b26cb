"""Changes of what the catalogue offers, where tenants use it already."""

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_network

from pileus.domain.errors import Invalid
from pileus.domain.network.networks import Subnet


def check_subnet_changes(offered: Sequence[Subnet], occupied: Mapping[str, tuple[Subnet, Iterable[str]]]) -> None:
    """Return if no address that is in use is lost, or could be given once more; raises Invalid.

    `occupied` has, by id, the subnets as they were, each with its addresses in use.
    """
    for subnet in offered:
        before = occupied.get(subnet.id)
        lost = [ip for ip in before[1] if not subnet.can_assign(ip)] if before else []
        if lost:
            raise _wrong(
                subnet, f"{lost[0]} is in use: it has to stay an address of {subnet.cidr}, and not the gateway"
            )
        for other, _ in occupied.values():
            if other.id not in {each.id for each in offered} and _overlap(subnet, other):
                raise _wrong(subnet, f"It overlaps with {other.name} ({other.cidr}), whose addresses are in use")


def _overlap(one: Subnet, other: Subnet) -> bool:
    return one.ip_version == other.ip_version and ip_network(one.cidr).overlaps(ip_network(other.cidr))


def _wrong(subnet: Subnet, text: str) -> Invalid:
    path = f"networks.subnets[{subnet.name!r}].cidr"
    return Invalid(f"The catalogue is wrong: {path}: {text}", {path: [text]})
