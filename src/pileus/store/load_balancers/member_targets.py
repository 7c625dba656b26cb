"""What the addresses of members belong to: instances and their last outages."""

from collections.abc import Sequence

from pileus.domain.load_balancers.operating_statuses import MemberTarget
from pileus.store.database import Tx
from pileus.store.rows import in_list_placeholders

BATCH_SIZE = 500
"""Pools in one statement."""
MISSING = """CASE
    WHEN m.monitor_address IS NULL AND m.instance_id IS NOT NULL THEN i.id IS NULL
    WHEN m.subnet_id IS NOT NULL THEN a.ip IS NULL
    ELSE 1 = 0
END"""
TARGETS = f"""
SELECT m.id, {MISSING}, i.status, i.isolated, i.changed_at, i.outage_began_at, i.outage_ended_at
FROM members m
LEFT JOIN addresses a ON a.subnet_id = m.subnet_id AND a.ip = coalesce(m.monitor_address, m.address)
LEFT JOIN ports p ON p.id = a.port_id
LEFT JOIN instances i
    ON i.id = coalesce(CASE WHEN m.monitor_address IS NULL THEN m.instance_id END, p.instance_id)
WHERE m.pool_id IN
"""


async def list_by_pools(tx: Tx, pool_ids: Sequence[str]) -> dict[str, MemberTarget]:
    """Return what answers the checks of the members of pools, by member."""
    targets: dict[str, MemberTarget] = {}
    for start in range(0, len(pool_ids), BATCH_SIZE):
        marks, parameters = in_list_placeholders("pool_id", pool_ids[start : start + BATCH_SIZE])
        for member_id, is_missing, status, isolated, *times in await tx.all(f"{TARGETS} ({marks})", **parameters):
            changed_at, began_at, ended_at = times
            targets[member_id] = MemberTarget(
                member_id=member_id,
                is_missing=bool(is_missing),
                status=status,
                isolated=bool(isolated),
                changed_at=changed_at,
                outage_began_at=began_at,
                outage_ended_at=ended_at,
            )
    return targets


async def list_addresses_of_instance(tx: Tx, instance_id: str) -> set[str]:
    """Return the addresses at which an instance can be reached, floating IPs as well."""
    rows = await tx.all(
        """
        SELECT a.ip FROM addresses a JOIN ports p ON p.id = a.port_id WHERE p.instance_id = :id
        UNION
        SELECT f.floating_ip_address FROM floating_ips f JOIN ports p ON p.id = f.port_id WHERE p.instance_id = :id
        """,
        id=instance_id,
    )
    return {str(ip) for (ip,) in rows}
