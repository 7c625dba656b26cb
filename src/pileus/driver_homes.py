"""A database has one data directory for the machines of a driver that keeps them there.

A second server with a directory of its own would not find the machines and disks of the first one, and its tasks would
fail.
"""

import socket
import uuid
from collections.abc import Iterable
from functools import partial

from pileus.drivers.shared_files import read_or_create_file
from pileus.region_drivers import PlannedDriver
from pileus.settings import Settings
from pileus.store import driver_homes
from pileus.store.database import Database

ID_FILE = "home.id"
"""Identifies a data directory, also after it has been moved."""


class ForeignDriverHome(Exception):
    """The machines of the database are in another data directory. The message is one line and says what to do."""


async def check_driver_homes(db: Database, settings: Settings, plans: Iterable[PlannedDriver], now: int) -> None:
    """Check that the data directory is that of the drivers' machines; the first one becomes it.

    Raises ForeignDriverHome.
    """
    if settings.database:
        for name in {plan.name for plan in plans if plan.machines_are_in_data_directory}:
            await _check_driver_home(db, settings, name, now)


async def _check_driver_home(db: Database, settings: Settings, name: str, now: int) -> None:
    own = driver_homes.DriverHome(
        driver=name,
        home_id=read_or_create_file(settings.data / ID_FILE, f"{uuid.uuid4()}\n".encode()).decode().strip(),
        place=f"{settings.data.absolute()} on host {socket.gethostname()}",
        created_at=now,
    )
    home = await db.write(partial(driver_homes.get_or_add, home=own))
    if home.home_id != own.home_id:
        raise ForeignDriverHome(
            f"The machines of this database are in {home.place}, and a database has one such directory: start the"
            " server with it, or use another database, or see 'Several servers' in docs/real-machines.md"
        )
