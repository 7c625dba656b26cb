"""The metrics: what they show of requests, tasks, instances and the driver, and what a scrape costs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pileus.api.installation_figures import InstallationMeter
from pileus.api.installation_metrics import format_installation_metrics
from pileus.api.metrics_reference import list_installation_metrics, list_process_metrics
from pileus.api.task_figures import TaskMeter
from pileus.drivers.protocols.guests import DiskSpace, TotalCapacity
from pileus.store import tasks
from pileus.store.database import Tx
from pileus.tasks.clocks import CloudClock
from tests.creations import create_instance, order_instance
from tests.drivers.memory import MemoryDriver, MemorySettings
from tests.recorded_transactions import RecordedTx
from tests.simulated_cloud import drivers_of_regions
from tests.tenants import REGION, Tenant

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]
FLAVOR = "g1-standard-1-2"
IS_SCRAPE = ContextVar("IS_SCRAPE", default=False)
"""Whether the current task is a scrape, and no job of the background."""


def parse(text: str) -> Samples:
    """Return the samples by name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value_of(samples: Samples, name: str, **labels: str) -> float:
    return samples.get((name, frozenset(labels.items())), 0.0)


async def scrape(tenant: Tenant, monkeypatch: pytest.MonkeyPatch, later: int = 0) -> Samples:
    """Return the metrics, measured anew, so many microseconds later."""
    state = tenant.running.app_state
    monkeypatch.setattr(state, "task_meter", TaskMeter(state.db, CloudClock(lambda: state.now() + later)))
    answer = await tenant.api.get("/metrics")
    assert answer.status_code == 200
    return parse(answer.text)


async def test_the_metrics_are_those_of_the_reference(tenant: Tenant) -> None:
    text = (await tenant.api.get("/metrics")).text

    named = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    assert {name for name in named if not name.endswith("_created")} == {
        row.name for row in (*list_process_metrics(), *list_installation_metrics())
    }


async def test_labels_are_those_of_the_reference(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    await create_instance(tenant)
    labels = {row.name: set(row.labels) for row in (*list_process_metrics(), *list_installation_metrics())}

    for name, pairs in await scrape(tenant, monkeypatch):
        base = name if name in labels else name.rpartition("_")[0]
        if not name.endswith("_created"):
            assert {label for label, _ in pairs} - {"le"} == labels[base], name


async def test_requests_are_counted_by_operation(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"/cloud/v1/projects/{tenant.project_id}"
    labels = {"route": "/cloud/v1/projects/{project_id}", "operation": "get_project", "status": "200"}
    before = await scrape(tenant, monkeypatch)

    await tenant.api.get(path)
    # With a query, a request goes through the router of the framework.
    await tenant.api.get(path, params={"x": "1"})
    await tenant.api.get("/nothing/at/all")

    after = await scrape(tenant, monkeypatch)
    name = "pileus_requests_total"
    assert value_of(after, name, method="GET", **labels) - value_of(before, name, method="GET", **labels) == 2
    unknown = {"method": "GET", "route": "(none)", "operation": "(none)", "status": "404"}
    assert value_of(after, name, **unknown) > value_of(before, name, **unknown)


async def test_operations_of_metadata_have_their_ids_of_the_api_reference(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = await create_instance(tenant)

    await tenant.api.get(f"{tenant.path('instances')}/{instance['id']}/metadata")

    labels = {"route": "/cloud/v1/instances/{project_id}/{region_id}/{instance_id}/metadata", "status": "200"}
    samples = await scrape(tenant, monkeypatch)
    assert value_of(samples, "pileus_requests_total", method="GET", operation="list_instance_metadata", **labels) >= 1


async def test_instances_are_counted_by_region_and_status(
    tenant: Tenant, stranger: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def count(status: str) -> float:
        samples = await scrape(tenant, monkeypatch)
        return value_of(samples, "pileus_instances", region_id=str(REGION), status=status)

    active, stopped = await count("ACTIVE"), await count("SHUTOFF")
    instance = await create_instance(tenant)
    await create_instance(stranger)
    assert await count("ACTIVE") == active + 2

    await tenant.api.post(tenant.path("instances", instance["id"], "stop"))
    assert (await count("ACTIVE"), await count("SHUTOFF")) == (active + 1, stopped + 1)

    await tenant.wait_until_finished(await tenant.api.delete(tenant.path("instances", instance["id"])))
    assert (await count("ACTIVE"), await count("SHUTOFF")) == (active + 1, stopped)


async def test_unfinished_tasks_are_counted_by_type_and_state(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    fault = (await tenant.api.post("/_pileus/faults", json={"kind": "hold"})).json()
    before = await scrape(tenant, monkeypatch)
    started = await order_instance(tenant)

    during = await scrape(tenant, monkeypatch)
    await tenant.api.delete(f"/_pileus/faults/{fault['id']}")
    await tenant.wait_until_finished(started)

    def unfinished(samples: Samples) -> float:
        states = ("NEW", "RUNNING")
        return sum(value_of(samples, "pileus_unfinished_tasks", task_type="create_vm", state=state) for state in states)

    assert unfinished(during) - unfinished(before) == 1
    assert ("pileus_oldest_unfinished_task_seconds", frozenset({("task_type", "create_vm")})) in during


async def test_the_age_of_the_oldest_task_of_a_type_is_measured(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = (await tenant.api.post("/_pileus/faults", json={"kind": "hold"})).json()
    started = await order_instance(tenant)
    view = (await tenant.api.get(f"/cloud/v1/tasks/{started.json()['tasks'][0]}")).json()
    samples = await scrape(tenant, monkeypatch, later=90_000_000)
    await tenant.api.delete(f"/_pileus/faults/{fault['id']}")
    await tenant.wait_until_finished(started)

    assert view["task_type"] == "create_vm"
    assert value_of(samples, "pileus_oldest_unfinished_task_seconds", task_type="create_vm") >= 90


async def test_durations_of_tasks_are_counted(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    before = await scrape(tenant, monkeypatch)

    await create_instance(tenant)

    after = await scrape(tenant, monkeypatch)
    for name, labels in (
        ("pileus_task_duration_seconds_count", {"task_type": "create_vm"}),
        ("pileus_task_duration_seconds_bucket", {"task_type": "create_vm", "le": "+Inf"}),
        ("pileus_tasks_total", {"task_type": "create_vm", "state": "FINISHED"}),
    ):
        assert value_of(after, name, **labels) - value_of(before, name, **labels) == 1
    total = "pileus_task_duration_seconds_sum"
    assert 0 < value_of(after, total, task_type="create_vm") - value_of(before, total, task_type="create_vm") < 60


async def test_used_capacity_follows_the_flavors_of_instances(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    before = await scrape(tenant, monkeypatch)

    await create_instance(tenant, flavor=FLAVOR)

    after = await scrape(tenant, monkeypatch)
    assert value_of(after, "pileus_used_vcpus") - value_of(before, "pileus_used_vcpus") == 1
    memory = "pileus_used_memory_bytes"
    assert value_of(after, memory) - value_of(before, memory) == 2 << 30
    assert ("pileus_capacity_vcpus", frozenset()) not in after


async def test_room_is_what_the_drivers_have_without_what_instances_use(tenant: Tenant) -> None:
    state = tenant.running.app_state
    figures = await state.installation_meter.measure(await state.task_meter.measure())
    space, capacity = DiskSpace(total=100, free=40), TotalCapacity(vcpus=8, ram=4096)
    changed = replace(figures, capacity=capacity, free=TotalCapacity(vcpus=5, ram=3072), disk_space=space)

    samples = parse(format_installation_metrics(changed).decode())

    names = ("pileus_free_vcpus", "pileus_free_memory_bytes", "pileus_capacity_vcpus", "pileus_free_disk_bytes")
    assert [value_of(samples, name) for name in names] == [5, 3 << 30, 8, 40]


async def test_a_driver_with_less_than_instances_use_has_no_room(tenant: Tenant) -> None:
    state = tenant.running.app_state
    await create_instance(tenant, flavor=FLAVOR)
    await create_instance(tenant, flavor=FLAVOR)
    drivers = drivers_of_regions(MemoryDriver(MemorySettings(vcpus=1), [REGION]), REGION)

    meter = InstallationMeter(state.db, state.catalogue, drivers, state.clock)
    figures = await meter.measure(await state.task_meter.measure())

    assert figures.capacity is not None
    assert figures.free is not None
    assert (figures.capacity.vcpus, figures.free.vcpus) == (1, 0)
    assert figures.free.ram == max(0, figures.capacity.ram - figures.used.ram)
    assert figures.used.ram >= 2 * 2048


async def test_without_a_database_the_other_metrics_are_there() -> None:
    samples = parse(format_installation_metrics(None).decode())

    assert value_of(samples, "pileus_database_up") == 0
    assert {name for name, _ in samples} == {"pileus_build_info", "pileus_database_up"}


async def test_a_scrape_reads_counts_and_unfinished_tasks_only(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    state = tenant.running.app_state
    statements: list[str] = []
    scan_database = state.db.scan

    @asynccontextmanager
    async def scan() -> AsyncIterator[Tx]:
        async with scan_database() as tx:
            yield RecordedTx(tx, statements) if IS_SCRAPE.get() else tx

    monkeypatch.setattr(state.db, "scan", scan)
    IS_SCRAPE.set(True)
    await scrape(tenant, monkeypatch)

    assert [statement.partition(" WHERE ")[0].rpartition(" ")[2] for statement in statements] == [
        "tasks", "tasks", "resource_counts", "resource_counts", "leases",
    ]  # fmt: skip
    assert all(tasks.UNFINISHED in statement for statement in statements[:2])
