"""Reports of usage and costs as the API returns them."""

from typing import Any, Literal

from msgspec import Struct

from pileus.api.wire.times import format_with_offset
from pileus.domain.account.usage_reports import (
    PRICE_FACTS,
    SIZE_UNITS,
    BilledResourceType,
    UsageReportLine,
    amount_to_float,
)


class CostReport(Struct, kw_only=True):
    """A report with costs. The fields of a line depend on its `type`: a flavor, a size, an address."""

    count: int
    price_status: Literal["error", "hide", "show"]
    results: list[dict[str, Any]]


class UsageReport(Struct, kw_only=True):
    """A report without costs: single resources, and their sums."""

    count: int
    resources: list[dict[str, Any]]
    totals: list[dict[str, Any]]


def total_line_fields(line: UsageReportLine, *, rounding: bool = True) -> dict[str, Any]:
    """Make the fields of a sum."""
    record, type_ = line.record, BilledResourceType(line.record.type)
    kind = {PRICE_FACTS[type_]: record.facts[PRICE_FACTS[type_]]} if type_ in PRICE_FACTS else {}
    return {
        "type": record.type,
        "region": record.region_id,
        "region_id": record.region_id,
        "billing_metric_name": "size" if type_ in SIZE_UNITS else "time",
        "billing_value": amount_to_float(line.quantity, is_rounded=rounding),
        "billing_value_unit": "gbminutes" if type_ in SIZE_UNITS else "minutes",
        **kind,
    }


def resource_line_fields(line: UsageReportLine, *, rounding: bool = True) -> dict[str, Any]:
    """Make the fields of a single resource."""
    record, type_ = line.record, BilledResourceType(line.record.type)
    fields = {
        **total_line_fields(line, rounding=rounding),
        **record.facts,
        "project_id": record.project_id,
        "first_seen": format_with_offset(line.first_seen),
        "last_seen": format_with_offset(line.last_seen),
    }
    if type_ in SIZE_UNITS:
        fields["size_unit"] = SIZE_UNITS[type_]
    if type_ != BilledResourceType.EXTERNAL_IP:
        fields |= {"uuid": record.resource_id, "last_name": record.name}
        fields["tags"] = [{"key": key, "value": value} for key, value in sorted(record.tags.items())]
    return fields


def line_cost_fields(line: UsageReportLine, currency: str, *, rounding: bool) -> dict[str, Any]:
    """Make the fields of a line's cost."""
    amount = None if line.cost is None else amount_to_float(line.cost, is_rounded=rounding)
    return {"cost": amount, "currency": currency, "billing_feature_name": None, "err": None}
