"""Check that the region and the host can take one more instance."""

from pileus.domain.compute.flavors import Flavor
from pileus.domain.context import Context
from pileus.domain.errors import NoCapacity
from pileus.drivers.protocols.compute import Compute
from pileus.drivers.protocols.guests import SupportsCapacity
from pileus.store.compute import capacities
from pileus.store.database import Tx


async def check_capacity(
    tx: Tx, ctx: Context, driver: Compute, flavor: Flavor, *, resized_instance_id: str | None = None
) -> None:
    """Raise NoCapacity if the region's limit for the flavor is reached, or the driver's host has no room for it.

    `resized_instance_id` is the instance that takes the flavor: its own use of the host does not count.
    """
    client_id, region_id = ctx.place.client_id, ctx.place.region_id
    left = await capacities.lock_limit_and_count_free_servers(tx, client_id, region_id, flavor.id)
    if (left is not None and left <= 0) or not await _fits_host(tx, ctx, driver, flavor, resized_instance_id):
        raise NoCapacity(f"The region {region_id} has reached the limit of flavor {flavor.id}")


async def _fits_host(tx: Tx, ctx: Context, driver: Compute, flavor: Flavor, resized_instance_id: str | None) -> bool:
    if not isinstance(driver, SupportsCapacity):
        return True
    capacity, vcpus, ram = driver.total_capacity(), flavor.vcpus, flavor.ram
    for flavor_id, count in (await capacities.count_instances_by_flavor(tx, resized_instance_id)).items():
        used = ctx.catalogue.flavor(flavor_id)
        vcpus, ram = vcpus + count * (used.vcpus if used else 0), ram + count * (used.ram if used else 0)
    return vcpus <= capacity.vcpus and ram <= capacity.ram
