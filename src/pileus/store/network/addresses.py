"""Addresses in use, each assigned to a port, floating IP, router port or file share."""

from collections.abc import Sequence

from pileus.domain.errors import Conflict, Invalid, NoCapacity, invalid
from pileus.domain.network.networks import (
    Subnet,
    canonical_ip,
    first_candidate_address,
    next_candidate_addresses,
    next_free_address,
)
from pileus.domain.network.ports import AssignedAddress
from pileus.store.count_changes import CountScope
from pileus.store.database import Tx
from pileus.store.network import ports
from pileus.store.rows import in_list_placeholders

CANDIDATE_COUNTS = (2, 32, 512)
"""Sizes of the candidate ranges that are checked in one query; only in a full subnet are all of them in use."""

IN_USE = """
SELECT s.id, (
    SELECT coalesce(sum(c.value), 0) FROM resource_counts c
    WHERE c.scope = 'subnet' AND c.region_id = 0 AND c.owner_id = 0 AND c.name = s.id
) - (SELECT count(*) FROM addresses a WHERE a.subnet_id = s.id AND a.ip = s.gateway_ip)
FROM subnets s
"""


async def allocate(
    tx: Tx,
    subnet: Subnet,
    *,
    port_id: str | None = None,
    floating_ip_id: str | None = None,
    router_port_id: str | None = None,
    file_share_id: str | None = None,
    requested_ip: str | None = None,
) -> str:
    """Allocate an address of a subnet: the requested one, or any that is free.

    Raises Invalid if the subnet cannot assign the requested address, Conflict if it is in use, and NoCapacity if no
    address is free.
    """
    if subnet.retired:
        raise Invalid(f"Subnet {subnet.id} gives no new addresses: it is not offered any more")
    seed = port_id or floating_ip_id or router_port_id or file_share_id or ""
    ip = await _choose_free(tx, subnet, seed) if requested_ip is None else await _require_free(tx, subnet, requested_ip)
    address = AssignedAddress(
        subnet_id=subnet.id,
        ip=ip,
        port_id=port_id,
        floating_ip_id=floating_ip_id,
        router_port_id=router_port_id,
        file_share_id=file_share_id,
    )
    await ports.add_address(tx, address)
    return ip


async def count_in_use_by_subnet_of_network(tx: Tx, network_id: str) -> dict[str, int]:
    """Count the addresses in use of each subnet of a network; gateways are not counted."""
    return await _count_in_use(tx, "s.network_id = :network_id", network_id=network_id)


async def count_in_use_by_subnet(tx: Tx, subnet_ids: Sequence[str]) -> dict[str, int]:
    """Count the addresses in use of subnets; gateways are not counted."""
    marks, values = in_list_placeholders("id", subnet_ids)
    return await _count_in_use(tx, f"s.id IN ({marks})", **values)


async def _count_in_use(tx: Tx, where: str, **values: str) -> dict[str, int]:
    """Count the addresses in use of subnets, those included that the transaction has not counted yet."""
    counts = {subnet_id: int(count) for subnet_id, count in await tx.all(f"{IN_USE} WHERE {where}", **values)}
    for key, difference in tx.count_changes.select(CountScope.SUBNET):
        if key.name in counts:
            counts[key.name] += difference
    return counts


async def is_in_use(tx: Tx, subnet: Subnet, ip: str) -> bool:
    """Return whether an address of a subnet is in use."""
    return bool(await _find_in_use(tx, subnet, [ip]))


async def release_of_floating_ip(tx: Tx, floating_ip_id: str) -> None:
    """Release the address of a floating IP."""
    await ports.ADDRESSES.remove_all(tx, "floating_ip_id = :id", id=floating_ip_id)


async def _require_free(tx: Tx, subnet: Subnet, requested_ip: str) -> str:
    try:
        ip = canonical_ip(requested_ip)
    except ValueError:
        raise invalid(ip_address="value is not a valid IPv4 or IPv6 address") from None
    if not subnet.can_assign_address(ip):
        raise invalid(ip_address=f"Address {ip} cannot be given by subnet {subnet.id} ({subnet.cidr})")
    if await _find_in_use(tx, subnet, [ip]):
        raise Conflict(f"Address {ip} of subnet {subnet.id} is in use")
    return ip


async def _choose_free(tx: Tx, subnet: Subnet, seed: str) -> str:
    start = first_candidate_address(subnet, seed)
    for count in CANDIDATE_COUNTS:
        candidates = next_candidate_addresses(subnet, start, count)
        in_use = await _find_in_use(tx, subnet, candidates)
        if (free := next((ip for ip in candidates if ip not in in_use), None)) is not None:
            return free
    rows = await tx.all("SELECT ip FROM addresses WHERE subnet_id = :id", id=subnet.id)
    free = next_free_address(subnet, {row[0] for row in rows}, start)
    if free is None:
        raise NoCapacity(f"Subnet {subnet.id} ({subnet.cidr}) has no free address")
    return free


async def _find_in_use(tx: Tx, subnet: Subnet, ips: list[str]) -> set[str]:
    marks, values = in_list_placeholders("ip", ips)
    rows = await tx.all(f"SELECT ip FROM addresses WHERE subnet_id = :id AND ip IN ({marks})", id=subnet.id, **values)
    return {row[0] for row in rows}
