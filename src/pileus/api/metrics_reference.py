"""The reference of all metrics, `docs/metrics.md`."""

from msgspec import Struct
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.registry import Collector

from pileus.api.installation_metrics import GAUGES
from pileus.api.middleware import ServerMetrics
from pileus.api.retention_metrics import RetentionMetrics

INTRODUCTION = """\
# Metrics

`make docs` generates this page. `/metrics` shows these metrics to Prometheus; [Operate
Pileus](operate.md#metrics-and-alerts) tells how to collect them, with a dashboard and alerts.

A histogram `NAME` has the series `NAME_bucket`, `NAME_sum` and `NAME_count`. No label has a value that
a client can choose, so the number of series has a limit. `operation` is the id of an operation in the
API reference; `(none)` stands for paths that do not exist.
"""
OF_PROCESSES = """\
## Metrics of server processes

They count since the start. With several processes (`--workers`), Prometheus gets the sum of all of
them, whichever answers. Servers on other hosts have their own.
"""
OF_INSTALLATION = """\
## Metrics of the installation

They are measured when Prometheus asks, at most once a second, and are the same whichever process or
host answers: use `max`, not `sum`, over several hosts. Their cost does not grow with the number of
resources. While the database does not answer, `pileus_database_up` is 0 and the others are missing.
"""


class MetricRow(Struct, frozen=True):
    """A row of the reference."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str


class _RecordingRegistry(CollectorRegistry):
    """A registry that lists what is registered."""

    def __init__(self) -> None:
        super().__init__()
        self.metrics: list[MetricWrapperBase] = []

    def register(self, collector: Collector) -> None:
        """Register a metric."""
        super().register(collector)
        if isinstance(collector, MetricWrapperBase):
            self.metrics.append(collector)


def list_process_metrics() -> list[MetricRow]:
    """Return the metrics that server processes count."""
    registry = _RecordingRegistry()
    ServerMetrics(registry)
    RetentionMetrics(registry)
    return [_row_of(metric) for metric in registry.metrics]


def list_installation_metrics() -> list[MetricRow]:
    """Return the metrics of the whole installation."""
    return [MetricRow(gauge.name, "gauge", gauge.labels, gauge.help) for gauge in GAUGES]


def make_metrics_reference() -> str:
    """Return the page as Markdown."""
    of_processes = _format_table(list_process_metrics())
    return "\n".join(
        (INTRODUCTION, OF_PROCESSES, of_processes, OF_INSTALLATION, _format_table(list_installation_metrics()))
    )


def _row_of(metric: MetricWrapperBase) -> MetricRow:
    (family,) = metric.collect()
    name = f"{family.name}_total" if family.type == "counter" else family.name
    labels = tuple(metric._labelnames)  # noqa: SLF001  # the library shows the labels only with a value
    return MetricRow(name, family.type, labels, family.documentation)


def _format_table(rows: list[MetricRow]) -> str:
    head = ("| metric | type | labels | meaning |", "|---|---|---|---|")
    return "\n".join((*head, *map(_format_row, rows), ""))


def _format_row(row: MetricRow) -> str:
    labels = ", ".join(f"`{label}`" for label in row.labels)
    return f"| `{row.name}` | {row.kind} | {labels} | {row.meaning} |"
