"""A tenant's usage, by quota name."""

from pileus.domain.catalogue import Catalogue
from pileus.domain.places import Place
from pileus.store.account import clients
from pileus.store.database import Tx

OWN = "project_id IN (SELECT id FROM projects WHERE client_id = :client_id) AND region_id = :region_id"
UNFINISHED = "state IN ('NEW', 'RUNNING')"
"""A conversion counts as its result from its request on."""
TO_FLOATING_IP = "convert_reserved_fixed_ip"
TO_RESERVED_FIXED_IP = "convert_floating_ip"
INSTANCES = f"SELECT flavor_id, count(*) FROM instances WHERE {OWN} GROUP BY flavor_id"
RESOURCES = f"""
SELECT
    (SELECT count(*) FROM volumes WHERE {OWN}),
    (SELECT coalesce(sum(size), 0) FROM volumes WHERE {OWN}),
    (SELECT count(*) FROM snapshots WHERE {OWN}),
    (SELECT coalesce(sum(size), 0) FROM snapshots WHERE {OWN}),
    (SELECT count(*) FROM floating_ips WHERE {OWN}) + (SELECT count(*) FROM tasks WHERE {UNFINISHED} AND {OWN}
        AND task_type = :to_floating_ip),
    (SELECT count(*) FROM ports WHERE {OWN} AND network_id IN (SELECT id FROM networks WHERE external = 1))
        + (SELECT count(*) FROM tasks WHERE {UNFINISHED} AND {OWN} AND task_type = :to_reserved_fixed_ip),
    (SELECT count(*) FROM placement_groups WHERE {OWN}),
    (SELECT count(*) FROM security_groups WHERE {OWN}),
    (SELECT count(*) FROM networks WHERE {OWN}),
    (SELECT count(*) FROM subnets WHERE {OWN}),
    (SELECT count(*) FROM routers WHERE {OWN}),
    (SELECT count(*) FROM images WHERE {OWN}),
    (SELECT coalesce(sum(size), 0) FROM images WHERE {OWN}),
    (SELECT count(*) FROM schedules WHERE {OWN})
"""
NAMES = (
    "volume_count", "volume_size", "volume_snapshots_count", "volume_snapshots_size", "floating_count",
    "external_ip_count", "servergroup_count", "firewall_count", "network_count", "subnet_count", "router_count",
    "image_count", "image_size", "snapshot_schedule_count",
)  # fmt: skip


async def count_by_quota(tx: Tx, place: Place, catalogue: Catalogue) -> dict[str, int]:
    """Return the usage of the place's tenant in its region, over all its projects."""
    parameters = {"client_id": place.client_id, "region_id": place.region_id}
    used: dict[str, int] = {}
    for flavor_id, servers in await tx.all(INSTANCES, **parameters):
        flavor = catalogue.flavor(flavor_id)
        for name, number in flavor.quota_counts_per_server.items() if flavor else ():
            used[name] = used.get(name, 0) + number * servers
    row = await tx.one(
        RESOURCES, to_floating_ip=TO_FLOATING_IP, to_reserved_fixed_ip=TO_RESERVED_FIXED_IP, **parameters
    )
    return used | dict(zip(NAMES, map(int, row or ()), strict=False))


async def count_global_by_quota(tx: Tx, client_id: int) -> dict[str, int]:
    """Return the usage of a tenant that is counted over all regions."""
    row = await tx.one(
        "SELECT (SELECT count(*) FROM ssh_keys WHERE client_id = :client_id),"
        " (SELECT count(*) FROM projects WHERE client_id = :client_id AND deleted_at IS NULL)",
        client_id=client_id,
    )
    return dict(zip(("keypair_count", "project_count"), map(int, row or ()), strict=False))


async def lock_tenant_and_count_by_quota(tx: Tx, place: Place, catalogue: Catalogue) -> dict[str, int]:
    """Lock the tenant and return its usage; concurrent requests of the tenant wait until the transaction ends."""
    await clients.lock(tx, place.client_id)
    return await count_by_quota(tx, place, catalogue)


async def lock_tenant_and_count_global_by_quota(tx: Tx, client_id: int) -> dict[str, int]:
    """Lock the tenant and return its usage that is counted over all regions."""
    await clients.lock(tx, client_id)
    return await count_global_by_quota(tx, client_id)
