"""Three servers over one database: each is killed, the primary crashes, and a compute host dies, under load.

No acknowledged write is lost, no machine exists twice or without a record, and every task ends.
"""

import asyncio
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp

import httpx
import pytest

from pileus.drivers.openstack.names import MACHINE_TAG, PREFIX, machine_id_of
from tests.chaos.installations import PLACE
from tests.chaos.writers import create
from tests.openstack.engine import Engine
from tests.openstack.failures.clusters import SERVERS, Cluster, delete_everything, make_writers
from tests.openstack.failures.orders import Stage
from tests.openstack.installations import Installation
from tests.openstack.services import kill_host, start_host
from tests.primaries import run_primary

LOAD_SECONDS = 25.0
"""Between two failures."""
DEAD_SECONDS = 90.0
"""For which a host is dead: OpenStack notices it after 60."""


@pytest.fixture
def cluster(engine: Engine, tmp_path: Path) -> Iterator[Cluster]:
    """The servers, with an empty database."""
    home = Path(mkdtemp(prefix="pileus-"))
    catalogue = Installation(tmp_path, engine)
    catalogue.write_catalogue()
    with run_primary() as primary:
        created = Cluster(home, engine, catalogue.catalogue, primary)
        created.start()
        try:
            yield created
        finally:
            created.kill_all()
    shutil.rmtree(home)


async def load(cluster: Cluster, number: int, stage: Stage, is_over: asyncio.Event) -> None:
    """Send changes to a server until it is over; when the server or its database is gone, wait until it is back."""
    while not is_over.is_set():
        if cluster.servers[number] is not None:
            with suppress(httpx.TransportError):
                await load_until_disconnected(cluster, number, stage, is_over)
        await asyncio.sleep(0.2)


async def load_until_disconnected(cluster: Cluster, number: int, stage: Stage, is_over: asyncio.Event) -> None:
    """Send changes to a server until it is over. Raises TransportError, or AssertionError if a task has failed."""
    async with cluster.client_of(number) as client:
        writers = [
            asyncio.ensure_future(writer) for writer in await make_writers(client, cluster.ledgers[number], stage)
        ]
        over = asyncio.ensure_future(is_over.wait())
        await asyncio.wait([*writers, over], return_when=asyncio.FIRST_COMPLETED)
        for running in (*writers, over):
            running.cancel()
        results = await asyncio.gather(*writers, return_exceptions=True)
    raise_first(failure for failure in results if isinstance(failure, AssertionError))


def raise_first(failures: Iterable[BaseException]) -> None:
    """Raise the first failure, if there is one."""
    for failure in failures:
        raise failure


async def break_everything(cluster: Cluster) -> None:
    """Kill each server, crash the primary, and kill a compute host."""
    for number in range(SERVERS):
        await asyncio.sleep(LOAD_SECONDS)
        cluster.kill(number)
        await asyncio.sleep(LOAD_SECONDS / 2)
        await asyncio.to_thread(cluster.start)
    await asyncio.sleep(LOAD_SECONDS)
    await asyncio.to_thread(cluster.primary.crash)
    await asyncio.to_thread(cluster.primary.start)
    await asyncio.sleep(LOAD_SECONDS)
    await asyncio.to_thread(kill_host, 1)
    await asyncio.sleep(DEAD_SECONDS)
    await asyncio.to_thread(start_host, 1)


async def compare(cluster: Cluster, engine: Engine) -> list[str]:
    """Return what was lost, doubled, or is without a record. No task is unfinished."""
    wrong = []
    for number, ledger in enumerate(cluster.ledgers):
        async with cluster.client_of(number) as client:
            wrong += await ledger.compare(client)
    recorded = {id_ for (id_,) in cluster.rows("SELECT id FROM instances")}
    servers = await asyncio.to_thread(engine.find_all, "servers", tags=MACHINE_TAG)
    details = [
        await asyncio.to_thread(engine.request, "compute", "GET", f"/servers/{server['id']}") for server in servers
    ]
    machines = Counter(machine_id_of(detail["server"]) for detail in details)
    wrong += [f"{count} machines of {id_}" for id_, count in machines.items() if count > 1]
    wrong += [f"machine {id_} has no record" for id_ in machines if id_ not in recorded]
    wrong += [f"instance {id_} has no machine" for id_ in recorded if id_ not in machines]
    groups = (await asyncio.to_thread(engine.request, "network", "GET", "/security-groups"))["security_groups"]
    named = [*await asyncio.to_thread(engine.list_remaining), *(f"group {group['name']}" for group in groups)]
    names = Counter(name for name in named if f" {PREFIX}" in name)
    return wrong + [f"{count} of {name}" for name, count in names.items() if count > 1]


async def create_stage(client: httpx.AsyncClient) -> Stage:
    """Create the network of the machines."""
    network = {"name": "inside", "create_router": False}
    network_id = await create(client, "/cloud/v1/networks", "networks", network)
    subnet = {"name": "inside", "network_id": network_id, "cidr": "10.10.0.0/24", "connect_to_network_router": False}
    return Stage(network_id, await create(client, "/cloud/v1/subnets", "subnets", subnet))


async def test_nothing_is_lost_or_doubled_when_servers_the_primary_and_a_host_die_under_load(
    cluster: Cluster, engine: Engine
) -> None:
    before = sorted(await asyncio.to_thread(engine.list_remaining))
    async with cluster.client_of(0) as client:
        stage = await create_stage(client)
    is_over = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for number in range(SERVERS):
            group.create_task(load(cluster, number, stage, is_over))
        await break_everything(cluster)
        is_over.set()
    await cluster.wait_for_tasks()

    failed = cluster.rows("SELECT task_type, error FROM tasks WHERE state = 'ERROR'")
    wrong = await compare(cluster, engine)
    acknowledged = [ledger.acknowledged for ledger in cluster.ledgers]

    assert (failed, wrong) == ([], [])
    assert min(acknowledged) > 0
    async with cluster.client_of(0) as client:
        await delete_everything(client)
        deleted = await client.delete(f"/cloud/v1/networks/{PLACE}/{stage.network_id}")
        assert deleted.is_success
        await cluster.wait_for_tasks()
    assert sorted(await asyncio.to_thread(engine.list_remaining)) == before
