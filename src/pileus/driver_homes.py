"""The regions whose machines a driver keeps in a data directory: each has one home, the server with that directory.

A server is the home of the regions that its directory has. The machines of other such regions are elsewhere: it leaves
their tasks to the home, and forwards to it what only the driver can answer.
"""

import socket
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from pileus.drivers.protocols.regions import RemoteDriver
from pileus.drivers.shared_files import read_or_create_file
from pileus.region_drivers import PlannedDriver
from pileus.settings import Settings
from pileus.store import driver_homes
from pileus.store.database import Database, Tx
from pileus.store.driver_homes import DriverHome, RegionHome

ID_FILE = "home.id"
"""Identifies a data directory, also after it has been moved."""


class ForeignDriverHome(Exception):
    """The machines of a region are in another data directory. The message is one line and says what to do."""


@dataclass(frozen=True, slots=True)
class PlannedHomes:
    """The drivers to start in this process, with the regions that are here, and those whose regions are elsewhere."""

    local: Sequence[PlannedDriver]
    remote: Sequence[RemoteDriver]


async def plan_homes(db: Database, settings: Settings, plans: Sequence[PlannedDriver], now: int) -> PlannedHomes:
    """Divide the regions into those whose machines are here and those elsewhere, and save what is here.

    Raises ForeignDriverHome if the settings name a region whose machines are elsewhere.
    """
    in_directory = [plan for plan in plans if settings.database and plan.machines_are_in_data_directory]
    if not in_directory:
        return PlannedHomes(plans, ())
    own = DirectoryOfServer(settings, now)
    region_ids = await db.write(lambda tx: own.save_regions(tx, in_directory))
    local, remote = [], []
    for plan in plans:
        here = tuple(id_ for id_ in plan.region_ids if plan not in in_directory or id_ in region_ids)
        elsewhere = tuple(id_ for id_ in plan.region_ids if id_ not in here)
        if here:
            local.append(replace(plan, region_ids=here))
        if elsewhere:
            remote.append(RemoteDriver(name=plan.name, driver_class=plan.factory, region_ids=elsewhere))
    return PlannedHomes(local, remote)


class DirectoryOfServer:
    """The data directory of this server as the home of regions."""

    def __init__(self, settings: Settings, now: int) -> None:
        self._settings = settings
        self._now = now
        self._id = read_or_create_file(settings.data / ID_FILE, f"{uuid.uuid4()}\n".encode()).decode().strip()
        self._place = f"{settings.data.absolute()} on host {socket.gethostname()}"

    async def save_regions(self, tx: Tx, plans: Iterable[PlannedDriver]) -> frozenset[int]:
        """Return the regions that are here, and save the directory as their home."""
        homes, here = await driver_homes.list_by_region(tx), set[int]()
        for plan in plans:
            for region_id in plan.region_ids:
                if await self._has_region(tx, plan.name, region_id, homes.get(region_id)):
                    await driver_homes.save_of_region(tx, self._home_of(plan.name, region_id))
                    here.add(region_id)
        return frozenset(here)

    async def _has_region(self, tx: Tx, driver: str, region_id: int, home: RegionHome | None) -> bool:
        """Return whether a region is here. One without a home is where the settings or the driver's first home are."""
        chosen = self._settings.chosen_home_regions
        if home is None and chosen is None:
            return await self._is_first_home(tx, driver)
        if home is None:
            return chosen is not None and region_id in chosen
        if home.home_id != self._id and region_id in (chosen or ()):
            raise ForeignDriverHome(
                f"The machines of region {region_id} are in {home.place}: start the server with that directory, or"
                " remove the region from --home-regions, or see 'Several servers' in docs/real-machines.md"
            )
        return home.home_id == self._id

    async def _is_first_home(self, tx: Tx, driver: str) -> bool:
        offered = DriverHome(driver=driver, home_id=self._id, place=self._place, created_at=self._now)
        return (await driver_homes.get_or_add(tx, offered)).home_id == self._id

    def _home_of(self, driver: str, region_id: int) -> RegionHome:
        return RegionHome(
            region_id=region_id,
            driver=driver,
            home_id=self._id,
            place=self._place,
            address=self._settings.internal_address,
            updated_at=self._now,
        )
