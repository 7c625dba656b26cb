"""Reports of usage and costs: the bodies that ask for them, and their lines."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from pileus.api.wire.times import earliest, offset
from pileus.domain.account.usage import (
    KINDS,
    ORDERS,
    SIZED,
    Filter,
    Line,
    ResourceType,
    TagCondition,
    Window,
    rounded,
    window,
)
from pileus.domain.errors import invalid

Direction = Literal["asc", "desc"]
TypeName = Literal[
    "ai_cluster", "ai_virtual_cluster", "backup", "baremetal", "basic_vm", "containers",
    "dbaas_postgresql_connection_pooler", "dbaas_postgresql_cpu", "dbaas_postgresql_memory",
    "dbaas_postgresql_public_network", "dbaas_postgresql_volume", "egress_traffic", "external_ip", "file_share",
    "floatingip", "functions", "functions_calls", "functions_traffic", "image", "inference", "inference_public_models",
    "instance", "load_balancer", "log_index", "snapshot", "volume",
]  # fmt: skip
Order = Literal[
    "billing_value.asc", "billing_value.desc", "first_seen.asc", "first_seen.desc", "last_name.asc", "last_name.desc",
    "last_seen.asc", "last_seen.desc", "project.asc", "project.desc", "region.asc", "region.desc", "type.asc",
    "type.desc",
]  # fmt: skip
Number = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class ConditionOnTag(Struct, kw_only=True):
    """What a tag must be like; unless it is `strict`, a part of the value in letters of any case is enough."""

    key: Annotated[str, Meta(min_length=3, max_length=128)] | None = None
    value: Annotated[str, Meta(min_length=3, max_length=256)] | None = None
    strict: bool = False


class TagsFilter(Struct, kw_only=True):
    """Conditions on tags: one of them must hold, or all of them."""

    conditions: Annotated[list[ConditionOnTag], Meta(min_length=1, max_length=10)]
    condition_type: Literal["AND", "OR"] = "OR"


class SchemaFilter(Struct, kw_only=True):
    """Things of one type that have one of these values in a field of theirs."""

    type: TypeName
    field: str
    values: list[str]


class _Request(Struct, kw_only=True):
    time_from: str
    time_to: str
    regions: list[Number] = field(default_factory=list)
    types: list[TypeName] | None = None
    schema_filter: SchemaFilter | None = None

    def window(self, now: int, *, last_day: bool = False) -> Window:
        """The time that is reported; raises Invalid."""
        start, end = earliest("time_from", self.time_from), earliest("time_to", self.time_to)
        if start is None or end is None:
            raise invalid(time_from="Field required")
        return window(start, end, now, last_day=last_day)


class ReservationReportRequest(_Request, kw_only=True):
    """What a report of reserved things is to be about; there are no reservations here."""

    response_format: Literal["csv_totals", "json"] = "json"
    rounding: bool = True


class ReportRequest(_Request, kw_only=True):
    """What a report is to be about: whole days (UTC), at most 31; the last one only with `enable_last_day`."""

    enable_last_day: bool = False
    projects: list[Number] | None = None
    tags: TagsFilter | None = None

    def wanted(self) -> Filter:
        """What is asked for, in the rules' words."""
        asked = self.schema_filter
        types = None if self.types is None else list(self.types)
        if asked is not None:
            types = [asked.type] if types is None or asked.type in types else []
        return Filter(
            projects=self.projects or (),
            regions=self.regions,
            types=types,
            tags=[TagCondition(key=each.key, value=each.value, strict=each.strict) for each in self._conditions()],
            all_tags=self.tags is not None and self.tags.condition_type == "AND",
            field=asked.field if asked else None,
            values=asked.values if asked else (),
        )

    def _conditions(self) -> list[ConditionOnTag]:
        return self.tags.conditions if self.tags else []


class TotalsRequest(ReportRequest, kw_only=True):
    """What a report of sums is to be about, and its form."""

    response_format: Literal["csv_totals", "json"] = "json"
    rounding: bool = True


class ListedReportRequest(ReportRequest, kw_only=True):
    """What a report of single things is to be about, and which of them to tell, in which order."""

    order_by: list[Order] = field(default_factory=lambda: ["project.asc"])
    sorting: list[dict[str, Direction]] | None = None
    limit: Annotated[int, Meta(ge=1, le=2**31 - 1)] = 10
    offset: Number = 0

    def order(self) -> list[str]:
        """The order, by either of its names; raises Invalid."""
        if self.sorting is None:
            return list(self.order_by)
        if unknown := {column for each in self.sorting for column in each} - ORDERS.keys():
            raise invalid(sorting=f"Input should be one of {', '.join(sorted(ORDERS))}, not {min(unknown)}")
        return [f"{column}.{direction}" for each in self.sorting for column, direction in each.items()]


class ResourcesRequest(ListedReportRequest, kw_only=True):
    """The same with costs, and the report's form."""

    response_format: Literal["csv_records", "json"] = "json"
    rounding: bool = True


class CostReport(Struct, kw_only=True):
    """A report with costs; its lines tell what their `type` has: a flavor, a size, an address."""

    count: int
    price_status: Literal["error", "hide", "show"]
    results: list[dict[str, Any]]


class UsageReport(Struct, kw_only=True):
    """A report without costs: single things, and their sums."""

    count: int
    resources: list[dict[str, Any]]
    totals: list[dict[str, Any]]


def total(line: Line, *, rounding: bool = True) -> dict[str, Any]:
    """Show a sum."""
    its, type_ = line.record, ResourceType(line.record.type)
    kind = {KINDS[type_]: its.facts[KINDS[type_]]} if type_ in KINDS else {}
    return {
        "type": its.type,
        "region": its.region_id,
        "region_id": its.region_id,
        "billing_metric_name": "size" if type_ in SIZED else "time",
        "billing_value": rounded(line.value, rounding=rounding),
        "billing_value_unit": "gbminutes" if type_ in SIZED else "minutes",
        **kind,
    }


def single(line: Line, *, rounding: bool = True) -> dict[str, Any]:
    """Show one thing."""
    its, type_ = line.record, ResourceType(line.record.type)
    shown = {
        **total(line, rounding=rounding),
        **its.facts,
        "project_id": its.project_id,
        "first_seen": offset(line.first_seen),
        "last_seen": offset(line.last_seen),
    }
    if type_ in SIZED:
        shown["size_unit"] = SIZED[type_]
    if type_ != ResourceType.EXTERNAL_IP:
        shown |= {"uuid": its.resource_id, "last_name": its.name}
        shown["tags"] = [{"key": key, "value": value} for key, value in sorted(its.tags.items())]
    return shown


def cost(line: Line, currency: str, *, rounding: bool) -> dict[str, Any]:
    """Show what a line costs."""
    amount = None if line.cost is None else rounded(line.cost, rounding=rounding)
    return {"cost": amount, "currency": currency, "billing_feature_name": None, "err": None}
