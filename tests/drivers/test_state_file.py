"""State files of drivers that an earlier version has written."""

import logging
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from pileus.domain.catalogue import derive_external_network_id, derive_public_image_id
from pileus.domain.simulated_cloud import SimulatedMachine, SimulatedNetworkPart
from pileus.drivers.protocols.network import NicSpec, RouterSpec
from pileus.drivers.qemu.network_state import NetworkState
from pileus.drivers.simulated.driver import Simulated
from pileus.drivers.simulated.former_file import FORMER_FILE, IMPORTED_FILE
from pileus.store.database import Database
from pileus.store.simulated_cloud import SimulatedCloudStore
from pileus.testing.conformance.helpers import new_machine, statuses_by_machine_id
from tests.simulated_cloud import a_driver, count_machines_volumes_and_nics
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


def count_rows(file: Path) -> dict[str, int]:
    """Count the rows of the former tables."""
    tables = [name for (name,) in execute(file, "SELECT name FROM sqlite_master WHERE type = 'table'")]
    return {table: int(execute(file, f"SELECT count(*) FROM {table}")[0][0]) for table in tables}


def list_files(data: Path) -> list[str]:
    return sorted(file.name for file in data.glob("simulated.db*"))


async def start_driver_with_former_file(db: Database, data: Path) -> Simulated:
    driver = a_driver(db, former_file=data / FORMER_FILE)
    await driver.start()
    return driver


async def test_the_former_file_of_the_simulated_cloud_is_imported_and_put_aside(tmp_path: Path, db: Database) -> None:
    former_state(tmp_path / FORMER_FILE)
    former = count_rows(tmp_path / FORMER_FILE)

    driver = await start_driver_with_former_file(db, tmp_path)

    assert list_files(tmp_path) == [IMPORTED_FILE]
    counts = await count_machines_volumes_and_nics(db)
    assert counts == (former["machines"], former["volumes"], former["nics"])
    parts = ("nics", "networks", "subnets", "routers", "router_ports", "security_groups", "floating_ips")
    for table, number in former.items():
        if table not in (*parts, "settings"):
            async with db.read() as tx:
                assert await tx.one(f"SELECT count(*) FROM simulated_{table}") == (number,), table
    async with db.read() as tx:
        assert await tx.one("SELECT count(*) FROM simulated_network_parts") == (sum(former[part] for part in parts),)
    assert (await statuses_by_machine_id(driver))["m-1"] == "ACTIVE"


async def test_references_to_former_ids_are_replaced_and_names_are_kept(tmp_path: Path, db: Database) -> None:
    former_state(tmp_path / FORMER_FILE)
    (referring,) = execute(
        tmp_path / FORMER_FILE, "SELECT count(*) FROM nics WHERE facts LIKE ?", f"%{FORMER_NETWORK}%"
    )

    await start_driver_with_former_file(db, tmp_path)

    async with SimulatedCloudStore(db).read() as records:
        specs = [part.spec for part in await records.find_all(SimulatedNetworkPart, kind="nic")]
        router = await records.find(SimulatedNetworkPart, kind="router", id="r-1")
        machine = await records.find(SimulatedMachine, id="m-1")
    assert router is not None
    assert machine is not None
    assert sum(NETWORK in spec for spec in specs) == int(referring[0]) > 0
    assert not any(FORMER_NETWORK in spec for spec in specs)
    assert f'"name":"{FORMER_NETWORK}"' in router.spec
    assert f'"network_id":"{NETWORK}"' in router.spec
    assert f'"name":"{FORMER_IMAGE}"' in machine.spec
    assert f'"image_id":"{IMAGE}"' in machine.spec


async def test_a_former_file_does_not_change_a_cloud_that_has_machines(
    tmp_path: Path, db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    former_state(tmp_path / FORMER_FILE)
    machine = new_machine()
    await a_driver(db).ensure_running_machine(machine)

    driver = await start_driver_with_former_file(db, tmp_path)

    assert await statuses_by_machine_id(driver) == {machine.id: "ACTIVE"}
    assert list_files(tmp_path) == [IMPORTED_FILE]
    assert "is in the database already" in caplog.text


async def test_an_import_that_fails_can_be_repeated(tmp_path: Path, db: Database) -> None:
    (tmp_path / FORMER_FILE).write_bytes(b"not a database, but as long as the head of one" * 10)
    with pytest.raises(sqlite3.DatabaseError):
        await start_driver_with_former_file(db, tmp_path)
    (tmp_path / FORMER_FILE).unlink()
    former_state(tmp_path / FORMER_FILE)

    driver = await start_driver_with_former_file(db, tmp_path)

    assert (await statuses_by_machine_id(driver))["m-1"] == "ACTIVE"


def test_a_state_file_is_upgraded_once(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    NetworkState(file).close()
    execute(file, "INSERT INTO networks VALUES (?, NULL, '{}')", FORMER_NETWORK)

    NetworkState(file).close()

    assert execute(file, "SELECT id FROM networks") == [(FORMER_NETWORK,)]
