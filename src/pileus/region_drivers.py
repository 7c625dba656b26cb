"""Choose and start the driver of each region: the one that the catalogue names, or else that of the settings."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
from msgspec import Struct

from pileus.domain.catalogue import Catalogue, invalid_catalogue
from pileus.domain.errors import Invalid
from pileus.drivers.protocols.compute import SupportsStart
from pileus.drivers.protocols.config import DownloadLimits, DriverConfig, DriverFactory
from pileus.drivers.protocols.records import RecordStore
from pileus.drivers.protocols.regions import RunningDriver
from pileus.drivers.registry import UnknownDriver, find_driver_location, load_driver_settings_type, load_object
from pileus.settings import Settings
from pileus.store import region_drivers
from pileus.store.database import Database, Tx
from pileus.store.region_drivers import RegionDriver
from pileus.tasks.clocks import CloudClock


class PlannedDriver(Struct, frozen=True, kw_only=True):
    """A driver that is to be started for some regions, with its settings."""

    name: str
    factory: Any
    settings: Struct
    region_ids: tuple[int, ...]

    @property
    def machines_are_in_data_directory(self) -> bool:
        """Whether a server with another data directory would not find the machines."""
        return bool(getattr(self.factory, "MACHINES_ARE_IN_DATA_DIRECTORY", False))

    @property
    def place(self) -> str:
        """The installation that the driver works on, by those of its settings that choose it."""
        names: Sequence[str] = getattr(self.factory, "PLACE_SETTINGS", ())
        return ", ".join(f"{name} {getattr(self.settings, name)}" for name in names)


def plan_region_drivers(settings: Settings, catalogue: Catalogue) -> Sequence[PlannedDriver]:
    """Return the drivers of all regions; regions with the same driver and equal settings share one.

    Raises Invalid if the catalogue names a driver or an option that does not exist, and UnknownDriver if the settings
    do.
    """
    plans: list[PlannedDriver] = []
    for index, region in enumerate(catalogue.regions):
        path = f"regions[{index}]"
        name = region.driver or settings.driver
        factory = _load_factory(name, f"{path}.driver" if region.driver else "")
        driver_settings = _read_options(settings, name, region.driver_options, f"{path}.driver_options")
        shared = next((plan for plan in plans if (plan.name, plan.settings) == (name, driver_settings)), None)
        if shared is not None:
            plans[plans.index(shared)] = msgspec.structs.replace(shared, region_ids=(*shared.region_ids, region.id))
            continue
        if getattr(factory, "SERVES_ALL_ITS_REGIONS", False) and any(plan.name == name for plan in plans):
            raise _invalid_region(
                f"{path}.driver_options", f"All regions of the driver {name} need the same options: they share it"
            )
        plans.append(PlannedDriver(name=name, factory=factory, settings=driver_settings, region_ids=(region.id,)))
    return plans


def _load_factory(name: str, path: str) -> DriverFactory:
    try:
        factory: DriverFactory = load_object(find_driver_location(name))
    except UnknownDriver as problem:
        if not path:
            raise
        raise _invalid_region(path, str(problem)) from problem
    return factory


def _read_options(settings: Settings, name: str, options: Mapping[str, Any], path: str) -> Struct:
    """Return the settings of a driver, in which the options of a region replace what the server's settings say."""
    known = {field.name for field in msgspec.structs.fields(load_driver_settings_type(name))}
    for option in options:
        if option not in known:
            hint = f"it has {', '.join(sorted(known))}" if known else "it has none"
            raise _invalid_region(f"{path}.{option}", f"The driver {name} has no such option; {hint}")
    try:
        return settings.driver_settings(name, options)
    except (msgspec.ValidationError, ValueError) as problem:
        raise _invalid_region(path, str(problem).replace("`", "'")) from problem


def _invalid_region(path: str, text: str) -> Invalid:
    return invalid_catalogue({path: [text]})


class ChangedRegionDriver(Exception):
    """The resources of a region are in another driver. The message is one line and says what to do."""


async def save_region_drivers(db: Database, plans: Iterable[PlannedDriver]) -> None:
    """Save which driver each region has. Raises ChangedRegionDriver if one with resources gets another."""
    for plan in plans:
        for region_id in plan.region_ids:
            planned = RegionDriver(region_id=region_id, driver=plan.name, place=plan.place)
            await db.write(partial(_save_region_driver, planned))


async def _save_region_driver(planned: RegionDriver, tx: Tx) -> None:
    existing = await region_drivers.find(tx, planned.region_id)
    if existing == planned:
        return
    if existing is not None and await region_drivers.has_resources(tx, planned.region_id):
        raise ChangedRegionDriver(
            f"Region {planned.region_id} has resources in {_describe(existing)}, and {_describe(planned)} does not have"
            " them: give the region its former driver and options again, in the catalogue or by --driver, or delete its"
            " resources first; a new region can have the new driver"
        )
    await region_drivers.save(tx, planned)


def _describe(driver: RegionDriver) -> str:
    return f"the driver {driver.driver}{f' ({driver.place})' if driver.place else ''}"


async def start_region_drivers(
    plans: Sequence[PlannedDriver],
    settings: Settings,
    catalogue: Catalogue,
    record_store: RecordStore,
    clock: CloudClock,
) -> Sequence[RunningDriver]:
    """Create and start the planned drivers. Raises OSError with a message for the operator if that fails."""
    limits = DownloadLimits(
        max_bytes=settings.image_limit << 30,
        max_virtual_bytes=settings.image_disk_limit << 30,
        seconds=settings.image_timeout,
        allow_private=settings.image_sources == "any",
        enabled=None if settings.image_sources == "auto" else settings.image_sources != "none",
    )
    running = []
    for plan in plans:
        config = DriverConfig(
            settings.data,
            catalogue.with_regions(plan.region_ids),
            plan.settings,
            limits,
            settings.base_url,
            record_store,
            clock.sleep,
            clock.now,
        )
        driver = plan.factory.create(config)
        if isinstance(driver, SupportsStart):
            await driver.start()
        running.append(RunningDriver(name=plan.name, driver=driver, region_ids=plan.region_ids))
    return running
