"""Subnets."""

from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_network
from typing import Any

from msgspec import Struct

from pileus.domain.errors import not_found
from pileus.domain.network.networks import Subnet, choose_subnets, has_choice
from pileus.domain.places import Place
from pileus.store import queries
from pileus.store.database import Tx
from pileus.store.network import networks
from pileus.store.network.addresses import count_in_use, count_in_use_in_network
from pileus.store.rows import Table, in_list
from pileus.store.scoped import IN_PLACE, place_params

KIND = "subnet"
TABLE = Table("subnets", Subnet)
USABLE = f"network_id IN (SELECT id FROM networks WHERE {networks.VISIBLE})"  # our own words

Counted = tuple[Subnet, int]
"""A subnet, and how many of its addresses are in use."""


class SubnetFilter(Struct, frozen=True, kw_only=True):
    """Which subnets are asked for: a place's own ones, or all that it may use; what is not given does not matter."""

    own: bool = True
    network_id: str | None = None
    tag_keys: Sequence[str] | None = None
    tag_pairs: Mapping[str, str] | None = None

    def where(self, place: Place) -> queries.Where:
        """The same as a condition."""
        where = queries.Where(IN_PLACE if self.own else USABLE, **place_params(place)).equal(
            "network_id", self.network_id
        )
        where.add("retired = 0")
        return where.with_tags(KIND, self.tag_keys, self.tag_pairs)


async def get(tx: Tx, place: Place, subnet_id: str) -> Subnet:
    """One subnet that a place may use; raises NotFound."""
    found = await TABLE.find_one(
        tx,
        f"id = :id AND {USABLE}",
        id=subnet_id,
        **place_params(place),
    )
    if found is None:
        raise not_found("Subnet", subnet_id)
    return found


async def get_own(tx: Tx, place: Place, subnet_id: str) -> Subnet:
    """One subnet in a network of a place's own; raises NotFound, or Forbidden for one that it may only use."""
    subnet = await get(tx, place, subnet_id)
    await networks.get_own(tx, place, subnet.network_id)
    return subnet


async def list_by_network(tx: Tx, network_id: str) -> list[Subnet]:
    """A network's subnets, oldest first."""
    return await TABLE.find(tx, "network_id = :network_id ORDER BY created_at, id", network_id=network_id)


async def list_by_networks(tx: Tx, network_ids: Sequence[str]) -> dict[str, list[Subnet]]:
    """The subnets of many networks, oldest first."""
    marks, values = in_list("network", network_ids)
    found: dict[str, list[Subnet]] = {network_id: [] for network_id in network_ids}
    for subnet in await TABLE.find(tx, f"network_id IN ({marks}) ORDER BY created_at, id", **values):
        found[subnet.network_id].append(subnet)
    return found


async def find(tx: Tx, subnet_id: str) -> Subnet | None:
    """One subnet, whoever has it."""
    return await TABLE.find_one(tx, "id = :id", id=subnet_id)


async def add(tx: Tx, subnet: Subnet) -> Subnet:
    """Insert a subnet."""
    return await TABLE.add(tx, subnet)


async def save(tx: Tx, before: Subnet, after: Subnet) -> Subnet:
    """Write what changed; raises Stale."""
    return await TABLE.save(tx, before, after)


async def bump_revision(tx: Tx, subnet: Subnet) -> Subnet:
    """Count a change of what hangs on a subnet as its own; raises Stale."""
    return await TABLE.bump_revision(tx, subnet)


async def remove(tx: Tx, subnet_id: str) -> None:
    """Delete a subnet's own row."""
    await TABLE.remove(tx, subnet_id)


async def has_ports(tx: Tx, subnet_id: str) -> bool:
    """Whether a port or a floating IP has an address of a subnet; ports of routers are nobody's business."""
    row = await tx.one("SELECT 1 FROM addresses WHERE subnet_id = :id AND router_port_id IS NULL LIMIT 1", id=subnet_id)
    return row is not None


async def page(  # noqa: PLR0913  # each is a fact of its own
    tx: Tx, place: Place, filters: SubnetFilter, order_by: str, *, limit: int, offset: int
) -> tuple[int, list[Counted]]:
    """How many subnets there are, and some of them, ordered by a key of `KEYS`, a dot and a direction.

    No database can order by addresses, so that is done here: a quota keeps the number of a tenant's subnets low.
    """
    where = filters.where(place)
    found = await TABLE.find(tx, str(where), **where.values)
    used = await count_in_use(tx, [subnet.id for subnet in found])
    counted = [(subnet, used.get(subnet.id, 0)) for subnet in found]
    key, _, direction = order_by.partition(".")
    counted.sort(key=lambda each: (KEYS[key](each), each[0].id), reverse=direction == "desc")
    return len(counted), counted[offset : offset + limit]


def _by_range(counted: Counted) -> tuple[int, int, int]:
    cidr = ip_network(counted[0].cidr)
    return cidr.version, int(cidr.network_address), cidr.prefixlen


KEYS: Mapping[str, Callable[[Counted], Any]] = {
    "cidr": _by_range,
    "name": lambda counted: counted[0].name,
    "created_at": lambda counted: counted[0].created_at,
    "updated_at": lambda counted: counted[0].updated_at,
    "total_ips": lambda counted: counted[0].total,
    "available_ips": lambda counted: counted[0].total - counted[1],
}


async def choose_for_allocation(tx: Tx, network_id: str, family: str) -> list[Subnet]:
    """The subnets of a network to take addresses of, one for each IP version of a family: those with the most left.

    Raises Invalid or NoCapacity.
    """
    ranges = [each for each in await list_by_network(tx, network_id) if each.task_id is None and not each.retired]
    used = await count_in_use_in_network(tx, network_id) if has_choice(ranges, family) else {}
    return choose_subnets([(each, used.get(each.id, 0)) for each in ranges], family)
