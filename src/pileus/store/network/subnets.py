"""Subnets."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from pileus.domain.ip_addresses import ip_network
from pileus.domain.network.networks import Subnet, choose_emptiest_subnets, has_subnet_choice
from pileus.domain.places import Place
from pileus.store import queries, scoped
from pileus.store.compute import instance_stamps
from pileus.store.database import Tx
from pileus.store.network import networks
from pileus.store.network.addresses import count_in_use_by_subnet, count_in_use_by_subnet_of_network
from pileus.store.rows import AGE, Table, in_list_placeholders
from pileus.store.scoped import IN_PLACE, place_parameters

KIND = "subnet"
TABLE = Table("subnets", Subnet)
find, require = TABLE.find_by_id, TABLE.require_by_id
add, bump_revision, remove = TABLE.add, TABLE.bump_revision, TABLE.remove
USABLE = f"EXISTS (SELECT 1 FROM networks n WHERE n.id = subnets.network_id AND {networks.VISIBLE_AS_N})"

SubnetUsage = tuple[Subnet, int]
"""A subnet and the number of its addresses in use."""


class SubnetFilter(Struct, frozen=True, kw_only=True):
    """Filters of the subnets that a place owns or may use; None adds no condition."""

    own: bool = True
    network_id: str | None = None
    tag_keys: Sequence[str] | None = None
    tag_pairs: Mapping[str, str] | None = None

    def where(self, place: Place) -> queries.Where:
        """Return the filters as conditions."""
        where = queries.Where(IN_PLACE if self.own else USABLE, **place_parameters(place)).equal(
            "network_id", self.network_id
        )
        where.add("retired = 0")
        return where.with_tags(KIND, self.tag_keys, self.tag_pairs)


async def save(tx: Tx, before: Subnet, after: Subnet) -> Subnet:
    """Write the changed fields; raises Stale."""
    saved = await TABLE.save(tx, before, after)
    if before.name != after.name:
        await instance_stamps.bump(tx, instance_stamps.IN_SUBNET, id=before.id)
    return saved


async def get(tx: Tx, place: Place, subnet_id: str) -> Subnet:
    """Return a subnet that a place may use; raises NotFound."""
    return await scoped.get(tx, TABLE, "Subnet", place, subnet_id, visible=USABLE)


async def get_own(tx: Tx, place: Place, subnet_id: str) -> Subnet:
    """Return a subnet of a network that a place owns; raises NotFound, or Forbidden for one that it may only use."""
    subnet = await get(tx, place, subnet_id)
    await networks.get_own(tx, place, subnet.network_id)
    return subnet


async def list_by_network(tx: Tx, network_id: str) -> list[Subnet]:
    """Return a network's subnets, oldest first."""
    return sorted(await TABLE.find(tx, "network_id = :network_id", network_id=network_id), key=AGE)


async def list_by_networks(tx: Tx, network_ids: Sequence[str]) -> dict[str, list[Subnet]]:
    """Return the subnets of networks, oldest first."""
    marks, values = in_list_placeholders("network", network_ids)
    subnets: dict[str, list[Subnet]] = {network_id: [] for network_id in network_ids}
    for subnet in await TABLE.find(tx, f"network_id IN ({marks}) ORDER BY created_at, id", **values):
        subnets[subnet.network_id].append(subnet)
    return subnets


async def has_ports(tx: Tx, subnet_id: str) -> bool:
    """Return whether a port, floating IP or file share has an address of a subnet; router ports are not counted."""
    row = await tx.one("SELECT 1 FROM addresses WHERE subnet_id = :id AND router_port_id IS NULL LIMIT 1", id=subnet_id)
    return row is not None


async def page(
    tx: Tx, place: Place, filters: SubnetFilter, order_by: str, *, limit: int, offset: int
) -> tuple[int, list[SubnetUsage]]:
    """Return the number of matching subnets and one page; `order_by` is a key of `KEYS`, a dot and a direction.

    No database can sort by address range, so the sort is done here: a quota keeps the number of subnets low.
    """
    where = filters.where(place)
    subnets = await TABLE.find(tx, str(where), **where.values)
    used = await count_in_use_by_subnet(tx, [subnet.id for subnet in subnets])
    usages = [(subnet, used.get(subnet.id, 0)) for subnet in subnets]
    key, _, direction = order_by.partition(".")
    usages.sort(key=lambda usage: (KEYS[key](usage), usage[0].id), reverse=direction == "desc")
    return len(usages), usages[offset : offset + limit]


def _by_range(usage: SubnetUsage) -> tuple[int, int, int]:
    cidr = ip_network(usage[0].cidr)
    return cidr.version, int(cidr.network_address), cidr.prefixlen


KEYS: Mapping[str, Callable[[SubnetUsage], Any]] = {
    "cidr": _by_range,
    "name": lambda usage: usage[0].name,
    "created_at": lambda usage: usage[0].created_at,
    "updated_at": lambda usage: usage[0].updated_at,
    "total_ips": lambda usage: usage[0].assignable_address_count,
    "available_ips": lambda usage: usage[0].available_address_count(usage[1]),
}


async def choose_subnets_to_allocate_from(tx: Tx, network_id: str, family: str) -> list[Subnet]:
    """Choose the subnets of a network to allocate from, for each IP version the one with the most free addresses.

    Raises Invalid or NoCapacity.
    """
    candidates = [
        subnet for subnet in await list_by_network(tx, network_id) if subnet.task_id is None and not subnet.retired
    ]
    used = await count_in_use_by_subnet_of_network(tx, network_id) if has_subnet_choice(candidates, family) else {}
    return choose_emptiest_subnets([(subnet, used.get(subnet.id, 0)) for subnet in candidates], family)
