"""Changes of the catalogue's subnets while tenants use their addresses."""

from collections.abc import Iterable, Mapping, Sequence

from pileus.domain.errors import Invalid
from pileus.domain.ip_addresses import ip_network
from pileus.domain.network.networks import Subnet


def check_subnet_changes(offered: Sequence[Subnet], occupied: Mapping[str, tuple[Subnet, Iterable[str]]]) -> None:
    """Raise Invalid if a change would lose an address in use, or could assign one twice.

    `occupied` maps ids to the previous subnets, each with its addresses in use.
    """
    for subnet in offered:
        old = occupied.get(subnet.id)
        lost_addresses = [ip for ip in old[1] if not subnet.can_assign_address(ip)] if old else []
        if lost_addresses:
            raise _invalid_subnet(
                subnet,
                f"{lost_addresses[0]} is in use: it has to stay an address of {subnet.cidr}, and not the gateway",
            )
        for other, _ in occupied.values():
            if other.id not in {offered_subnet.id for offered_subnet in offered} and _do_overlap(subnet, other):
                raise _invalid_subnet(
                    subnet, f"It overlaps with {other.name} ({other.cidr}), whose addresses are in use"
                )


def _do_overlap(subnet: Subnet, other: Subnet) -> bool:
    return subnet.ip_version == other.ip_version and ip_network(subnet.cidr).overlaps(ip_network(other.cidr))


def _invalid_subnet(subnet: Subnet, text: str) -> Invalid:
    path = f"networks.subnets[{subnet.name!r}].cidr"
    return Invalid(f"The catalogue is wrong: {path}: {text}", {path: [text]})
