"""Where operators may control the simulated cloud while it runs: by routes with the access `CONTROL`."""

from pileus.drivers.protocols.compute import SupportsSimulation
from pileus.drivers.protocols.regions import RegionDrivers
from pileus.settings import Settings


def find_control_obstacle(settings: Settings, drivers: RegionDrivers) -> str:
    """Return the reason why the cloud of this server may not be controlled; an empty string if it may.

    Control reaches all regions, so all of them have to be simulated.
    """
    if settings.cells:
        return "A cloud of several cells cannot be controlled"
    for entry in drivers.running:
        if not isinstance(entry.driver, SupportsSimulation):
            return (
                f"Only a simulated cloud can be controlled: the driver of region {entry.region_ids[0]} is {entry.name}"
            )
    if settings.simulation_control == "off":
        return "Control of the simulated cloud is turned off by the setting simulation_control"
    if settings.simulation_control == "auto" and not settings.listens_on_loopback:
        return (
            f"Control of the simulated cloud is off because the server listens on {settings.host}, which others can "
            "reach: it is turned on by the setting simulation_control (pileus serve --simulation-control on)"
        )
    return ""
