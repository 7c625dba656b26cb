"""The file in which earlier versions kept the simulated cloud: it is imported once and put aside."""

import fcntl
import logging
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from msgspec import Struct

from pileus.domain.simulated_cloud import (
    SimulatedImage,
    SimulatedMachine,
    SimulatedNetworkPart,
    SimulatedProtection,
    SimulatedSetting,
    SimulatedSnapshot,
    SimulatedVolume,
)
from pileus.drivers.protocols.records import Records, RecordStore
from pileus.drivers.simulated.networks import PartKind
from pileus.drivers.state_file import StateFile

LOG = logging.getLogger(__name__)
FORMER_FILE = "simulated.db"
IMPORTED_FILE = "simulated.db.imported"
FORMER_NETWORK_TABLES = {
    "nics": PartKind.NIC,
    "networks": PartKind.NETWORK,
    "subnets": PartKind.SUBNET,
    "routers": PartKind.ROUTER,
    "router_ports": PartKind.ROUTER_INTERFACE,
    "security_groups": PartKind.SECURITY_GROUP,
    "floating_ips": PartKind.FLOATING_IP,
}
FORMER_TABLES: dict[str, Callable[[Any], Struct]] = {
    "machines": lambda row: SimulatedMachine(
        id=row["id"],
        status=row["status"],
        vm_state=row["vm_state"],
        spec=row["machine"],
        restarted_for=row["restarted_for"],
    ),
    "volumes": lambda row: SimulatedVolume(**row),
    "snapshots": lambda row: SimulatedSnapshot(**row),
    "images": lambda row: SimulatedImage(**row),
    "protections": lambda row: SimulatedProtection(**{**row, "active": bool(row["active"])}),
    "settings": lambda row: SimulatedSetting(**row),
}
"""Converts the rows of each table; those of the network have one shape."""
CONTENTS = (
    SimulatedMachine,
    SimulatedVolume,
    SimulatedSnapshot,
    SimulatedImage,
    SimulatedNetworkPart,
    SimulatedProtection,
)
"""The records that a cloud without contents does not have."""


async def import_former_file(record_store: RecordStore, file: Path) -> None:
    """Copy the contents of the file into a cloud that has none yet, and rename the file; do nothing without a file.

    Processes that start together take turns. Raises OSError or sqlite3.Error if the file cannot be read.
    """
    try:
        lock = file.open("rb")
    except FileNotFoundError:
        return
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():  # noqa: ASYNC240  # once, at start
            return
        contents = _load_contents(file)
        if await record_store.write(lambda records: _add_to_empty_cloud(records, contents)):
            LOG.info("The simulated cloud was copied into the database", extra={"file": str(file)})
        else:
            LOG.warning(
                "The simulated cloud is in the database already: its file is ignored", extra={"file": str(file)}
            )
        file.rename(file.with_name(IMPORTED_FILE))  # noqa: ASYNC240  # once, at start


def _load_contents(file: Path) -> list[list[Struct]]:
    """Return the records of each table, with the present ids of the catalogue. The file is complete afterwards."""
    StateFile(file).close()
    with closing(sqlite3.connect(file)) as connection:
        connection.row_factory = lambda cursor, row: dict(
            zip((name for name, *_ in cursor.description), row, strict=True)
        )
        names = {row["name"] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        former = [
            [convert(row) for row in connection.execute(f"SELECT * FROM {table}")]  # noqa: S608  # a fixed name
            for table, convert in FORMER_TABLES.items()
            if table in names
        ]
        return [*former, *_load_network(connection, names)]


def _load_network(connection: sqlite3.Connection, names: Iterable[str]) -> list[list[Struct]]:
    return [
        [
            SimulatedNetworkPart(kind=kind.value, id=row["id"], parent_id=row["parent"], spec=row["facts"])
            for row in connection.execute(f"SELECT * FROM {table}")  # noqa: S608  # a fixed name
        ]
        for table, kind in FORMER_NETWORK_TABLES.items()
        if table in names
    ]


async def _add_to_empty_cloud(records: Records, contents: list[list[Struct]]) -> bool:
    """Return whether the cloud was empty."""
    for kind in CONTENTS:
        if await records.find(kind) is not None:
            return False
    await records.remove(SimulatedSetting)
    for rows in contents:
        await records.add_all(rows)
    return True
