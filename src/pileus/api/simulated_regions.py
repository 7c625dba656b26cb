"""Regions whose machines are simulated: only there can the control endpoint change something."""

from pileus.api.context import RequestContext
from pileus.domain.errors import Forbidden, not_found
from pileus.drivers.protocols.compute import SupportsSimulation


def require_simulated_region(ctx: RequestContext, region_id: int) -> SupportsSimulation:
    """Return the driver that simulates a region. Raises NotFound, or Forbidden if its machines are not simulated."""
    driver = ctx.app.drivers.find_here(region_id)
    if driver is None and region_id not in ctx.app.drivers.remote_region_ids:
        raise not_found("Region", region_id)
    if not isinstance(driver, SupportsSimulation):
        raise Forbidden(f"The machines of region {region_id} are not simulated")
    return driver
