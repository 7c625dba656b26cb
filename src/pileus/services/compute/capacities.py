"""Check that the region and the host can take one more instance, and measure what instances use of the host."""

from collections.abc import Sequence

from pileus.domain.catalogue import Catalogue
from pileus.domain.compute.flavors import Flavor
from pileus.domain.context import Context
from pileus.domain.errors import NoCapacity
from pileus.drivers.protocols.guests import SupportsCapacity, TotalCapacity
from pileus.drivers.protocols.regions import RegionDrivers
from pileus.store import region_drivers
from pileus.store.compute import capacities
from pileus.store.database import Tx


async def check_capacity(
    tx: Tx, ctx: Context, drivers: RegionDrivers, flavor: Flavor, *, resized_instance_id: str | None = None
) -> None:
    """Raise NoCapacity if the region's limit for the flavor is reached, or the driver's host has no room for it.

    `resized_instance_id` is the instance that takes the flavor: its own use of the host does not count.
    """
    client_id, region_id = ctx.place.client_id, ctx.place.region_id
    left = await capacities.lock_limit_and_count_free_servers(tx, client_id, region_id, flavor.id)
    if (left is not None and left <= 0) or not await _fits_host(tx, ctx, drivers, flavor, resized_instance_id):
        raise NoCapacity(f"The region {region_id} has reached the limit of flavor {flavor.id}")


async def _fits_host(
    tx: Tx, ctx: Context, drivers: RegionDrivers, flavor: Flavor, resized_instance_id: str | None
) -> bool:
    driver = drivers.find(ctx.place.region_id)
    if not isinstance(driver, SupportsCapacity):
        return True
    capacity, region_ids = driver.total_capacity(), drivers.list_regions_sharing(driver)
    await region_drivers.lock_host(tx, region_ids)
    used = await measure_used_capacity(tx, ctx.catalogue, resized_instance_id, region_ids=region_ids)
    return used.vcpus + flavor.vcpus <= capacity.vcpus and used.ram + flavor.ram <= capacity.ram


async def measure_used_capacity(
    tx: Tx, catalogue: Catalogue, except_instance_id: str | None = None, *, region_ids: Sequence[int] | None = None
) -> TotalCapacity:
    """Return what the flavors of all instances, or those of some regions, use together; one may be left out."""
    vcpus = ram = 0
    for flavor_id, count in (await capacities.count_instances_by_flavor(tx, except_instance_id, region_ids)).items():
        flavor = catalogue.flavor(flavor_id)
        vcpus, ram = vcpus + count * (flavor.vcpus if flavor else 0), ram + count * (flavor.ram if flavor else 0)
    return TotalCapacity(vcpus=vcpus, ram=ram)
