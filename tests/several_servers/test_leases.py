"""One of several servers reconciles a region; when it is killed or stopped, another one does."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.orders import an_order
from tests.servers import wait_until
from tests.several_servers.clusters import Cluster, client_of, run_cluster

HOLDERS = "SELECT holder FROM leases WHERE name = 'reconciler of region 1'"
FAILED = "UPDATE simulated_machines SET status = 'ERROR', change_number = 1"
METRIC = re.compile(r'^pileus_lease_seconds\{lease="reconciler of region 1"\} (\S+)$', re.MULTILINE)


@pytest.fixture
def cluster(postgres: str, tmp_path: Path) -> Iterator[Cluster]:
    with run_cluster(tmp_path, postgres) as created:
        yield created


def find_holder(cluster: Cluster) -> int | None:
    """Return the number of the running server that holds the lease."""
    holders = [holder for (holder,) in cluster.rows(HOLDERS)]
    for number, server in cluster.servers.items():
        if any(holder.endswith(f" process {server.process.pid}") for holder in holders):
            return number
    return None


def test_another_server_reconciles_when_the_holder_of_the_lease_is_killed_or_stopped(cluster: Cluster) -> None:
    cluster.start(1, 2, 3)
    wait_until(lambda: find_holder(cluster) is not None)
    killed = find_holder(cluster)
    assert killed is not None
    with client_of(next(iter(cluster.servers.values()))) as api:
        created = api.post("/cloud/v2/instances/1/1", json=an_order())
        wait_until(lambda: api.get(f"/cloud/v1/tasks/{created.json()['tasks'][0]}").json()["state"] == "FINISHED")

    cluster.kill(killed)
    wait_until(lambda: find_holder(cluster) is not None)
    cluster.rows(FAILED)

    first, last = cluster.servers.values()
    for server in (first, last):
        with client_of(server) as api:
            wait_until(lambda: api.get("/cloud/v1/instances/1/1").json()["results"][0]["status"] == "ERROR")
            remaining = METRIC.search(api.get("/metrics").text)
            assert remaining is not None
            assert float(remaining[1]) <= 1
    stopped = find_holder(cluster)
    assert stopped is not None
    assert cluster.stop(stopped) == 0
    wait_until(lambda: find_holder(cluster) is not None)
