"""A database has one data directory for the machines of a driver that keeps them there.

A second server with a directory of its own would not find the machines and disks of the first one, and its tasks would
fail.
"""

import socket
import uuid
from functools import partial

from pileus.drivers.registry import find_driver_location, load_object
from pileus.drivers.shared_files import read_or_create_file
from pileus.settings import Settings
from pileus.store import driver_homes
from pileus.store.database import Database

ID_FILE = "home.id"
"""Identifies a data directory, also after it has been moved."""


class ForeignDriverHome(Exception):
    """The machines of the database are in another data directory. The message is one line and says what to do."""


async def check_driver_home(db: Database, settings: Settings, now: int) -> None:
    """Check that the data directory is that of the driver's machines; the first one becomes it.

    Raises ForeignDriverHome.
    """
    factory = load_object(find_driver_location(settings.driver))
    if not settings.database or not getattr(factory, "MACHINES_ARE_IN_DATA_DIRECTORY", False):
        return
    own = driver_homes.DriverHome(
        driver=settings.driver,
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
