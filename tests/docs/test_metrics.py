"""The committed table of metrics is the one of the program, and follows the conventions of Prometheus."""

import re
from pathlib import Path

import pytest

from pileus.api.metrics_reference import (
    MetricRow,
    list_installation_metrics,
    list_process_metrics,
    make_metrics_reference,
)

TABLE = Path(__file__).resolve().parents[2] / "docs/metrics.md"
ROWS = [*list_process_metrics(), *list_installation_metrics()]


def test_the_committed_table_of_metrics_is_up_to_date() -> None:
    assert TABLE.read_text("utf-8") == make_metrics_reference(), "docs/metrics.md is out of date: run make docs"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_metric_is_named_by_the_conventions_of_prometheus(row: MetricRow) -> None:
    assert re.fullmatch(r"pileus(_[a-z]+)+", row.name)
    assert row.name.endswith("_total") == (row.kind == "counter")
    assert not re.search(r"milli|micro|_(kib|mib|gib|minutes|hours)(_|$)", row.name)
    assert not {"le", "quantile"} & set(row.labels)
    assert row.meaning.endswith(".") or " " not in row.meaning
