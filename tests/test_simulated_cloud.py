"""The simulated cloud is a part of the database: a copy restores it, and all servers of the database share it."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

from pileus.domain.simulated_cloud import SimulatedVolume
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.network import NicSpec
from pileus.drivers.simulated.driver import Simulated
from pileus.drivers.simulated.former_file import FORMER_FILE, IMPORTED_FILE
from pileus.store.database import Database
from pileus.store.schema import open_database
from pileus.store.simulated_cloud import SimulatedCloudStore, StoredRecords
from pileus.testing.conformance.harnesses import make_driver_config
from pileus.testing.conformance.helpers import new_disk, new_machine, statuses_by_machine_id
from tests.orders import an_order
from tests.servers import KEY, Server, run_server
from tests.simulated_cloud import a_driver, find_simulated_volume
from tests.tasks.test_upgrade import restore

INSTANCES = "/cloud/v2/instances/1/1"
ONE = "/cloud/v1/instances/1/1"


def call(server: Server, method: str, path: str, body: object = None) -> httpx.Response:
    """Send a request of the operator."""
    return httpx.request(method, f"{server.url}{path}", json=body, headers={"Authorization": f"APIKey {KEY}"})


def run_task(server: Server, path: str, body: object) -> dict[str, Any]:
    """Send a request that starts a task, and return the finished task."""
    (task_id,) = call(server, "POST", path, body).raise_for_status().json()["tasks"]
    while (task := call(server, "GET", f"/cloud/v1/tasks/{task_id}").json())["state"] not in ("FINISHED", "ERROR"):
        pass
    assert task["state"] == "FINISHED", task["error"]
    return dict(task)


def create_instance(server: Server) -> str:
    return str(run_task(server, INSTANCES, an_order())["created_resources"]["instances"][0])


def latest_cpu_load(server: Server, instance_id: str) -> float:
    """Return the newest sample of a machine's processor."""
    body = {"time_interval": 1, "time_unit": "hour"}
    samples = call(server, "POST", f"{ONE}/{instance_id}/metrics", body).raise_for_status().json()
    return float((samples["results"] if isinstance(samples, dict) else samples)[-1]["cpu_util"])


def test_servers_of_one_database_share_the_simulated_cloud(postgres: str, tmp_path: Path) -> None:
    options = ("--database", postgres, "--secrets-key", str(tmp_path / "keys"))
    with run_server(tmp_path / "a", *options) as first, run_server(tmp_path / "b", *options) as second:
        instance_id = create_instance(first)
        running = latest_cpu_load(second, instance_id)
        run_task(second, f"{INSTANCES}/{instance_id}/action", {"action": "stop"})

        console = call(first, "GET", f"{ONE}/{instance_id}/get_console")
        stopped = latest_cpu_load(first, instance_id)

    assert running > 0
    assert stopped == 0
    assert console.status_code != 200


def test_a_copy_of_the_database_file_restores_the_simulated_cloud(tmp_path: Path) -> None:
    with run_server(tmp_path / "first") as server:
        instance_id = create_instance(server)
    (tmp_path / "second").mkdir()
    for name in ("pileus.db", "secrets.key"):
        shutil.copy(tmp_path / "first" / name, tmp_path / "second" / name)

    with run_server(tmp_path / "second") as server:
        run_task(server, f"{INSTANCES}/{instance_id}/action", {"action": "stop"})
        status = call(server, "GET", f"{ONE}/{instance_id}").json()["status"]

    assert status == "SHUTOFF"
    assert sorted(path.name for path in (tmp_path / "second").glob("simulated*")) == []


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_server_imports_the_file_of_an_earlier_version_once(tmp_path: Path, workers: str) -> None:
    data = tmp_path / "data"
    data.mkdir()
    restore("previous_database.sql", data / "pileus.db")
    restore("previous_machines.sql", data / FORMER_FILE)

    for _ in range(2):
        with run_server(data, "--workers", workers) as server:
            assert call(server, "GET", "/readyz").status_code == 200

    assert sorted(path.name for path in data.glob("simulated*")) == [IMPORTED_FILE]


@pytest.fixture
async def two_servers(url: str, tmp_path: Path) -> AsyncIterator[tuple[Simulated, Simulated, Database]]:
    """The drivers of two servers of a database."""
    databases = [await open_database(url, tmp_path) for _ in range(2)]
    yield a_driver(databases[0]), a_driver(databases[1]), databases[0]
    for database in databases:
        await database.close()


async def test_one_of_two_servers_attaches_a_volume(two_servers: tuple[Simulated, Simulated, Database]) -> None:
    first, second, db = two_servers
    disks = [new_disk() for _ in range(20)]
    for disk in disks:
        await first.ensure_volume(disk)

    outcomes = await asyncio.gather(
        *(first.ensure_volume_attachment("machine-a", disk) for disk in disks),
        *(second.ensure_volume_attachment("machine-b", disk) for disk in disks),
        return_exceptions=True,
    )

    for disk, *pair in zip(disks, outcomes[:20], outcomes[20:], strict=True):
        volume = await find_simulated_volume(db, disk.id)
        assert volume is not None
        winner, loser = pair if volume[2] == "machine-a" else reversed(pair)
        assert (winner, type(loser)) == (None, DriverError)


async def test_a_change_is_seen_by_the_other_server_at_once(
    two_servers: tuple[Simulated, Simulated, Database],
) -> None:
    first, second, _ = two_servers
    machine = new_machine()
    await first.ensure_running_machine(machine)
    await second.ensure_stopped_machine(machine.id)

    assert await statuses_by_machine_id(first) == {machine.id: "SHUTOFF"}


class CountingStore(SimulatedCloudStore):
    """A store that counts its transactions."""

    def __init__(self, db: Database) -> None:
        super().__init__(db)
        self.counts = {"read": 0, "write": 0}

    def read(self) -> AbstractAsyncContextManager[StoredRecords]:
        """Count a read."""
        self.counts["read"] += 1
        return super().read()

    async def write(self, work: Callable[[StoredRecords], Awaitable[Any]]) -> Any:
        """Count a write."""
        self.counts["write"] += 1
        return await super().write(work)


CALLS: dict[str, Callable[[Simulated], Awaitable[None]]] = {
    "create": lambda driver: driver.ensure_running_machine(new_machine(id="m-2")),
    "stop": lambda driver: driver.ensure_stopped_machine("m-1"),
    "restart": lambda driver: driver.ensure_restarted_machine(new_machine(id="m-1"), "request", hard=True),
    "resize": lambda driver: driver.ensure_machine_size(new_machine(id="m-1", flavor_id="other")),
    "delete": lambda driver: driver.ensure_no_machine("m-1"),
    "attach": lambda driver: driver.ensure_volume_attachment("m-1", new_disk(id="v-1")),
    "snapshot": lambda driver: driver.ensure_snapshot("s-1", "v-1"),
    "interface": lambda driver: driver.ensure_interface(
        "m-1", NicSpec(port_id="p-1", network_id="n-1", mac_address="", addresses=[])
    ),
    "protect": lambda driver: driver.ensure_ddos_protection(1, "198.18.0.1", active=True),
}


@pytest.mark.parametrize("change", CALLS)
async def test_a_call_is_one_transaction(db: Database, change: str) -> None:
    store = CountingStore(db)
    driver = Simulated(store)
    await driver.ensure_running_machine(new_machine(id="m-1"))
    await driver.ensure_volume(new_disk(id="v-1"))
    store.counts.update(read=0, write=0)

    await CALLS[change](driver)

    assert store.counts == {"read": 0, "write": 1}


async def test_a_call_without_a_change_is_one_transaction_that_takes_no_time(db: Database) -> None:
    store = CountingStore(db)
    driver, machine = Simulated(store), new_machine()
    await driver.ensure_running_machine(machine)
    await driver.set_transition_time("realistic")
    store.counts.update(read=0, write=0)

    await asyncio.wait_for(driver.ensure_running_machine(machine), 10)

    assert store.counts == {"read": 0, "write": 1}


async def test_a_driver_without_a_database_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="needs a database"):
        Simulated.create(make_driver_config("simulated", tmp_path))


async def test_records_are_replaced_by_their_key(db: Database) -> None:
    store, expected = SimulatedCloudStore(db), SimulatedVolume(id="v-1", size=2, type_name="standard")
    await store.write(lambda records: records.save(SimulatedVolume(id="v-1", size=1, type_name="cold")))
    await store.write(lambda records: records.save(expected))

    async with store.read() as records:
        assert await records.find_all(SimulatedVolume, id=["v-1", "v-2"]) == [expected]
        assert await records.find(SimulatedVolume, id="v-2") is None
