"""State files of drivers that an earlier version has written."""

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec

from pileus.domain.catalogue import derive_external_network_id, derive_public_image_id
from pileus.drivers.network_state import NetworkState
from pileus.drivers.protocols.network import NicSpec, RouterSpec
from pileus.drivers.simulated.driver import Simulated
from pileus.testing.conformance.helpers import new_machine
from tests.tasks.test_upgrade import restore

FORMER_IMAGE, FORMER_NETWORK = "9d1afad7-106f-51a4-b8b9-00eb5f9e5288", "298d777a-6d6f-55a0-a048-07c0d8207413"
IMAGE, NETWORK = derive_public_image_id(1, "ubuntu-22.04-x64"), derive_external_network_id(1, "pub_net")


def execute(file: Path, statement: str, *values: str) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(file)) as connection, connection:
        return connection.execute(statement, values).fetchall()


def former_state(file: Path) -> None:
    """Create the state file of the simulated driver of an earlier version."""
    restore("previous_machines.sql", file)
    outside = NicSpec(port_id="p-1", network_id=FORMER_NETWORK, mac_address="", addresses=[])
    router = RouterSpec(id="r-1", name=FORMER_NETWORK, outside=outside)
    machine = new_machine(id="m-1", name=FORMER_IMAGE, image_id=FORMER_IMAGE)
    execute(file, "INSERT INTO routers VALUES ('r-1', NULL, ?)", msgspec.json.encode(router).decode())
    execute(file, "INSERT INTO machines VALUES ('m-1', 'ACTIVE', NULL, ?, NULL)", msgspec.json.encode(machine).decode())


def test_references_to_former_ids_are_replaced_and_names_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "simulated.db"
    former_state(file)
    (referring,) = execute(file, "SELECT count(*) FROM nics WHERE facts LIKE ?", f"%{FORMER_NETWORK}%")

    Simulated(file).close()

    assert int(referring[0]) > 0
    assert execute(file, "SELECT count(*) FROM nics WHERE facts LIKE ?", f"%{NETWORK}%") == [referring]
    assert execute(file, "SELECT id FROM nics WHERE facts LIKE ?", f"%{FORMER_NETWORK}%") == []
    ((router,),) = execute(file, "SELECT facts FROM routers WHERE id = 'r-1'")
    ((machine,),) = execute(file, "SELECT machine FROM machines WHERE id = 'm-1'")
    assert (f'"name":"{FORMER_NETWORK}"' in router, f'"network_id":"{NETWORK}"' in router) == (True, True)
    assert (f'"name":"{FORMER_IMAGE}"' in machine, f'"image_id":"{IMAGE}"' in machine) == (True, True)


def test_a_state_file_is_upgraded_once(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    NetworkState(file).close()
    execute(file, "INSERT INTO networks VALUES (?, NULL, '{}')", FORMER_NETWORK)

    NetworkState(file).close()

    assert execute(file, "SELECT id FROM networks") == [(FORMER_NETWORK,)]
