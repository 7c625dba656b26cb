"""Metrics of the whole installation: what the database and the drivers say, whichever process is asked.

They are made for each scrape and belong to no process, so several server processes show the same.
"""

import platform
from collections.abc import Iterator

from msgspec import Struct
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from pileus import __version__
from pileus.api.installation_figures import InstallationFigures
from pileus.domain.compute.instances import Status

MIB = 1 << 20
SECOND = 1_000_000


class Gauge(Struct, frozen=True):
    """The declaration of a metric."""

    name: str
    help: str
    labels: tuple[str, ...] = ()


Sample = tuple[Gauge, tuple[str, ...], float]
"""A metric, the values of its labels, and its value."""

BUILD = Gauge("pileus_build_info", "The version of the server, as labels; the value is 1.", ("version", "python"))
DATABASE_UP = Gauge("pileus_database_up", "1 if the database answers; without it, the metrics below are missing.")
INSTANCES = Gauge("pileus_instances", "Instances by region and status.", ("region_id", "status"))
UNFINISHED = Gauge("pileus_unfinished_tasks", "Tasks that have not ended.", ("task_type", "state"))
OLDEST_UNFINISHED = Gauge(
    "pileus_oldest_unfinished_task_seconds",
    "Seconds since the creation of the oldest task that has not ended.",
    ("task_type",),
)
WAITING = Gauge("pileus_waiting_tasks", "Tasks that wait for a slot of a worker.", ("slot_class",))
OLDEST_WAITING = Gauge(
    "pileus_oldest_waiting_task_seconds", "Seconds for which the oldest of these tasks waits.", ("slot_class",)
)
USED_VCPUS = Gauge("pileus_used_vcpus", "The vCPUs of all instances.")
USED_MEMORY = Gauge("pileus_used_memory_bytes", "The memory of all instances.")
CAPACITY_VCPUS = Gauge("pileus_capacity_vcpus", "The vCPUs for instances, over-commitment included.")
CAPACITY_MEMORY = Gauge("pileus_capacity_memory_bytes", "The memory for instances, over-commitment included.")
CAPACITY_DISK = Gauge("pileus_capacity_disk_bytes", "The size of the file system of the disks.")
FREE_VCPUS = Gauge("pileus_free_vcpus", "The vCPUs that new instances can have.")
FREE_MEMORY = Gauge("pileus_free_memory_bytes", "The memory that new instances can have.")
FREE_DISK = Gauge("pileus_free_disk_bytes", "What is free of the file system of the disks.")
LEASES = Gauge(
    "pileus_lease_seconds",
    "Seconds until the lease of a job that one process does for all expires, if no process renews it. Negative: no "
    "process does the job. Only where several processes may share the database.",
    ("lease",),
)
GAUGES = (
    BUILD, DATABASE_UP, INSTANCES, UNFINISHED, OLDEST_UNFINISHED, WAITING, OLDEST_WAITING, USED_VCPUS, USED_MEMORY,
    CAPACITY_VCPUS, CAPACITY_MEMORY, CAPACITY_DISK, FREE_VCPUS, FREE_MEMORY, FREE_DISK, LEASES,
)  # fmt: skip


class InstallationCollector(Collector):
    """The metrics of some figures; without figures, the database does not answer."""

    def __init__(self, figures: InstallationFigures | None) -> None:
        self._figures = figures

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield every metric. Those without a value have only their type and meaning."""
        families = {gauge: GaugeMetricFamily(gauge.name, gauge.help, labels=gauge.labels) for gauge in GAUGES}
        for gauge, labels, value in list_samples(self._figures):
            families[gauge].add_metric(labels, value)
        yield from families.values()


def format_installation_metrics(figures: InstallationFigures | None) -> bytes:
    """Format the metrics for Prometheus."""
    registry = CollectorRegistry()
    registry.register(InstallationCollector(figures))
    return generate_latest(registry)


def list_samples(figures: InstallationFigures | None) -> Iterator[Sample]:
    """Yield the values of the metrics."""
    yield BUILD, (__version__, platform.python_version()), 1
    yield DATABASE_UP, (), int(figures is not None)
    if figures is not None:
        yield from _instance_samples(figures)
        yield from _task_samples(figures)
        yield from _capacity_samples(figures)
        for name, seconds in figures.lease_seconds.items():
            yield LEASES, (name,), seconds


def _instance_samples(figures: InstallationFigures) -> Iterator[Sample]:
    """Yield all instances. Usual statuses are there also without any instance, so that alerts can compare them."""
    regions = {region_id for region_id, _ in figures.instances}
    usual = {(region_id, str(status)): 0 for region_id in regions for status in (Status.ACTIVE, Status.ERROR)}
    for (region_id, status), count in {**usual, **figures.instances}.items():
        yield INSTANCES, (str(region_id), status), count


def _task_samples(figures: InstallationFigures) -> Iterator[Sample]:
    oldest: dict[str, int] = {}
    for group in figures.tasks.unfinished:
        yield UNFINISHED, (group.task_type, group.state), group.count
        oldest[group.task_type] = min(group.oldest_created_at, oldest.get(group.task_type, group.oldest_created_at))
    now = figures.tasks.measured_at
    for task_type, created_at in oldest.items():
        yield OLDEST_UNFINISHED, (task_type,), max(0, now - created_at) / SECOND
    for slot_class, queue in figures.tasks.queues.items():
        yield WAITING, (slot_class,), queue.waiting
        yield OLDEST_WAITING, (slot_class,), queue.oldest_age(now)


def _capacity_samples(figures: InstallationFigures) -> Iterator[Sample]:
    used, capacity, free, disk_space = figures.used, figures.capacity, figures.free, figures.disk_space
    yield USED_VCPUS, (), used.vcpus
    yield USED_MEMORY, (), used.ram * MIB
    if capacity is not None:
        yield CAPACITY_VCPUS, (), capacity.vcpus
        yield CAPACITY_MEMORY, (), capacity.ram * MIB
    if free is not None:
        yield FREE_VCPUS, (), free.vcpus
        yield FREE_MEMORY, (), free.ram * MIB
    if disk_space is not None:
        yield CAPACITY_DISK, (), disk_space.total
        yield FREE_DISK, (), disk_space.free
