"""The driver of each region."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from pileus.domain.errors import RegionElsewhere
from pileus.drivers.protocols.compute import Compute
from pileus.drivers.protocols.errors import DriverError


class RunningDriver(Struct, frozen=True, kw_only=True):
    """A started driver, its name in the registry, and the regions whose resources it provides."""

    name: str
    driver: Compute
    region_ids: tuple[int, ...]

    @property
    def regions_text(self) -> str:
        """The regions as a text, which is the same in all processes with the same catalogue."""
        return f"region {', '.join(map(str, sorted(self.region_ids)))}"


class RemoteDriver(Struct, frozen=True, kw_only=True):
    """A driver whose machines, in these regions, another server has."""

    name: str
    driver_class: type
    region_ids: tuple[int, ...]


class RegionDrivers:
    """The drivers of all regions that this process serves. Regions with equal settings share a driver.

    The drivers of `remote` regions are in other servers. Whatever needs one of them raises RegionElsewhere, before it
    has changed anything: the request is then forwarded.
    """

    def __init__(self, running: Iterable[RunningDriver], remote: Iterable[RemoteDriver] = ()) -> None:
        self.running: Sequence[RunningDriver] = tuple(running)
        self.remote: Sequence[RemoteDriver] = tuple(remote)
        self.remote_region_ids = frozenset(region_id for entry in self.remote for region_id in entry.region_ids)
        self._driver_by_region = {region_id: entry.driver for entry in self.running for region_id in entry.region_ids}

    def find(self, region_id: int | None) -> Compute | None:
        """Return the driver of a region, or None if this process does not serve it. Raises RegionElsewhere."""
        if region_id in self.remote_region_ids:
            raise RegionElsewhere(region_id)
        return self.find_here(region_id)

    def find_here(self, region_id: int | None) -> Compute | None:
        """Return the driver of a region, or None if it is not in this process."""
        return None if region_id is None else self._driver_by_region.get(region_id)

    def require(self, region_id: int | None) -> Compute:
        """Return the driver of a region. Raises DriverError if this process does not serve it."""
        driver = self.find_here(region_id)
        if driver is None:
            raise DriverError(f"This server has no driver for region {region_id}: see its catalogue", retryable=False)
        return driver

    def list_regions_sharing(self, driver: Compute) -> Sequence[int]:
        """Return the ids of the regions of a driver."""
        return next((entry.region_ids for entry in self.running if entry.driver is driver), ())

    def all_have(self, ability: type) -> bool:
        """Whether every driver has an ability, and none is in another server."""
        return not self.remote and all(isinstance(entry.driver, ability) for entry in self.running)

    def any_has(self, ability: type) -> bool:
        """Whether some driver has an ability, here or in another server."""
        return self.any_remote_has(ability) or any(isinstance(entry.driver, ability) for entry in self.running)

    def any_remote_has(self, ability: type) -> bool:
        """Whether some driver in another server has an ability."""
        return any(issubclass(entry.driver_class, ability) for entry in self.remote)
