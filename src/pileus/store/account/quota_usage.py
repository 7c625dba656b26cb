"""A tenant's usage, by quota name."""

from pileus.domain.account.quotas import ALL_REGIONS
from pileus.domain.catalogue import Catalogue
from pileus.domain.places import Place
from pileus.store import resource_counts
from pileus.store.account import clients, projects
from pileus.store.database import Tx
from pileus.store.table_counts import SERVERS

CONVERSIONS = {"convert_reserved_fixed_ip": "floating_count", "convert_floating_ip": "external_ip_count"}
"""A conversion counts as its result from its request on: the quota by task type."""
UNFINISHED = """
SELECT task_type, count(*) FROM tasks
WHERE state IN ('NEW', 'RUNNING') AND client_id = :client_id AND region_id = :region_id
    AND task_type IN ('convert_reserved_fixed_ip', 'convert_floating_ip')
GROUP BY task_type
"""


async def count_by_quota(tx: Tx, place: Place, catalogue: Catalogue) -> dict[str, int]:
    """Return the usage of the place's tenant in its region, over all its projects.

    Unfinished conversions are counted first: one that ends meanwhile may count twice, but never not at all.
    """
    used: dict[str, int] = {}
    for task_type, count in await tx.all(UNFINISHED, client_id=place.client_id, region_id=place.region_id):
        used[CONVERSIONS[task_type]] = int(count)
    for (name, part), count in (await resource_counts.list_of_tenant(tx, place.client_id, place.region_id)).items():
        flavor = catalogue.flavor(part) if name == SERVERS else None
        for quota, number in flavor.quota_counts_per_server.items() if flavor else ():
            used[quota] = used.get(quota, 0) + number * count
        if name != SERVERS:
            used[name] = used.get(name, 0) + count
    return used


async def count_global_by_quota(tx: Tx, client_id: int) -> dict[str, int]:
    """Return the usage of a tenant that is counted over all regions."""
    counts = await resource_counts.list_of_tenant(tx, client_id, ALL_REGIONS)
    return {"keypair_count": counts.get(("keypair_count", ""), 0), "project_count": await projects.count(tx, client_id)}


async def lock_tenant_and_count_by_quota(tx: Tx, place: Place, catalogue: Catalogue) -> dict[str, int]:
    """Lock the tenant and return its usage; concurrent requests of the tenant wait until the transaction ends."""
    await clients.lock(tx, place.client_id)
    return await count_by_quota(tx, place, catalogue)


async def lock_tenant_and_count_global_by_quota(tx: Tx, client_id: int) -> dict[str, int]:
    """Lock the tenant and return its usage that is counted over all regions."""
    await clients.lock(tx, client_id)
    return await count_global_by_quota(tx, client_id)
