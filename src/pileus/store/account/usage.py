"""What a tenant uses in a region, by the names of quotas."""

from pileus.domain.catalogue import Catalogue
from pileus.domain.places import Place
from pileus.store.account import clients
from pileus.store.database import Tx

OWN = "project_id IN (SELECT id FROM projects WHERE client_id = :client_id) AND region_id = :region_id"
COMING = "state IN ('NEW', 'RUNNING')"
"""What a conversion is to bring counts from the moment that it is asked for."""
INSTANCES = f"SELECT flavor_id, count(*) FROM instances WHERE {OWN} GROUP BY flavor_id"  # our own words
REST = f"""
SELECT
    (SELECT count(*) FROM volumes WHERE {OWN}),
    (SELECT coalesce(sum(size), 0) FROM volumes WHERE {OWN}),
    (SELECT count(*) FROM snapshots WHERE {OWN}),
    (SELECT coalesce(sum(size), 0) FROM snapshots WHERE {OWN}),
    (SELECT count(*) FROM floating_ips WHERE {OWN}) + (SELECT count(*) FROM tasks WHERE {COMING} AND {OWN}
        AND task_type = 'convert_reserved_fixed_ip'),
    (SELECT count(*) FROM ports WHERE {OWN} AND network_id IN (SELECT id FROM networks WHERE external = 1))
        + (SELECT count(*) FROM tasks WHERE {COMING} AND {OWN} AND task_type = 'convert_floating_ip'),
    (SELECT count(*) FROM placement_groups WHERE {OWN}),
    (SELECT count(*) FROM security_groups WHERE {OWN}),
    (SELECT count(*) FROM networks WHERE {OWN}),
    (SELECT count(*) FROM subnets WHERE {OWN}),
    (SELECT count(*) FROM routers WHERE {OWN}),
    (SELECT count(*) FROM images WHERE {OWN}),
    (SELECT coalesce(sum(size), 0) FROM images WHERE {OWN}),
    (SELECT count(*) FROM schedules WHERE {OWN})
"""  # our own words
NAMES = (
    "volume_count", "volume_size", "volume_snapshots_count", "volume_snapshots_size", "floating_count",
    "external_ip_count", "servergroup_count", "firewall_count", "network_count", "subnet_count", "router_count",
    "image_count", "image_size", "snapshot_schedule_count",
)  # fmt: skip


async def count(tx: Tx, place: Place, catalogue: Catalogue) -> dict[str, int]:
    """What the tenant of a place uses in its region, in all its projects together."""
    where = {"client_id": place.client_id, "region_id": place.region_id}
    used: dict[str, int] = {}
    for flavor_id, servers in await tx.all(INSTANCES, **where):
        flavor = catalogue.flavor(flavor_id)
        for name, number in flavor.counts.items() if flavor else ():
            used[name] = used.get(name, 0) + number * servers
    row = await tx.one(REST, **where)
    return used | dict(zip(NAMES, map(int, row or ()), strict=False))


async def count_global(tx: Tx, client_id: int) -> dict[str, int]:
    """What a tenant uses of what is counted in all regions together."""
    row = await tx.one(
        "SELECT (SELECT count(*) FROM ssh_keys WHERE client_id = :client_id),"
        " (SELECT count(*) FROM projects WHERE client_id = :client_id AND deleted_at IS NULL)",
        client_id=client_id,
    )
    return dict(zip(("keypair_count", "project_count"), map(int, row or ()), strict=False))


async def lock_and_count(tx: Tx, place: Place, catalogue: Catalogue) -> dict[str, int]:
    """What a place's tenant uses, for who is about to use more: who asks so next waits for this transaction's end."""
    await clients.lock(tx, place.client_id)
    return await count(tx, place, catalogue)


async def lock_and_count_global(tx: Tx, client_id: int) -> dict[str, int]:
    """The same of what is counted in all regions together."""
    await clients.lock(tx, client_id)
    return await count_global(tx, client_id)
