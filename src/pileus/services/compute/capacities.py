"""Whether there is room for a server: of its flavor, and on the host where all of them run on one."""

from pileus.api.context import RequestContext
from pileus.domain.compute.flavors import Flavor
from pileus.domain.errors import NoCapacity
from pileus.drivers.protocols.guests import HasCapacity
from pileus.store.compute import capacities
from pileus.store.database import Tx


async def check_capacity(tx: Tx, ctx: RequestContext, flavor: Flavor, but: str | None = None) -> None:
    """Return if a server of a flavor fits in, in the place of the server `but` if that is named; raises NoCapacity."""
    region_id = ctx.place.region_id
    room = await capacities.lock_and_count_left(tx, region_id, flavor.id)
    if (room is not None and room <= 0) or not await _fits(tx, ctx, flavor, but):
        raise NoCapacity(f"The region {region_id} has reached the limit of flavor {flavor.id}")


async def _fits(tx: Tx, ctx: RequestContext, flavor: Flavor, but: str | None) -> bool:
    driver, catalogue = ctx.app.driver, ctx.catalogue
    if not isinstance(driver, HasCapacity):
        return True
    capacity, vcpus, ram = driver.capacity(), flavor.vcpus, flavor.ram
    for flavor_id, servers in (await capacities.count_servers(tx, but)).items():
        other = catalogue.flavor(flavor_id)
        vcpus, ram = vcpus + servers * (other.vcpus if other else 0), ram + servers * (other.ram if other else 0)
    return vcpus <= capacity.vcpus and ram <= capacity.ram
