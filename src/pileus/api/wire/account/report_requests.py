"""Request bodies for reports of usage and costs."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from pileus.api.wire.legacy import LegacyInput
from pileus.api.wire.times import parse_range_start
from pileus.domain.account.usage_reports import SORT_KEYS, TagCondition, TimeWindow, UsageFilter, report_window
from pileus.domain.errors import invalid
from pileus.domain.ids import canonical_id
from pileus.domain.limits import REPORT_VALUES, TAG_CONDITIONS

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


AtMostValues = Meta(max_length=REPORT_VALUES.value)


class ConditionOnTag(Struct, kw_only=True):
    """A condition on a tag. Unless it is `strict`, a part of the value matches, regardless of case."""

    key: Annotated[str, Meta(min_length=3, max_length=128)] | None = None
    value: Annotated[str, Meta(min_length=3, max_length=256)] | None = None
    strict: bool = False


class TagsFilter(Struct, kw_only=True):
    """Conditions on tags, of which one (`OR`) or all (`AND`) must hold."""

    conditions: Annotated[list[ConditionOnTag], Meta(min_length=1, max_length=TAG_CONDITIONS.value)]
    condition_type: Literal["AND", "OR"] = "OR"


class FieldValueFilter(Struct, kw_only=True):
    """Resources of one type that have one of these values in a field."""

    type: TypeName
    field: str
    values: Annotated[list[str], AtMostValues]

    @property
    def canonical_values(self) -> list[str]:
        """The values; ids are in the form in which they are stored."""
        return self.values if self.field == "last_name" else [canonical_id(value) for value in self.values]


class _Request(Struct, kw_only=True):
    time_from: str
    time_to: str
    regions: Annotated[list[Number], AtMostValues] = field(default_factory=list)
    types: Annotated[list[TypeName], AtMostValues] | None = None
    schema_filter: FieldValueFilter | None = None

    def window(self, now: int, *, last_day: bool = False) -> TimeWindow:
        """Return the period of the report. Raises Invalid."""
        start, end = parse_range_start("time_from", self.time_from), parse_range_start("time_to", self.time_to)
        if start is None or end is None:
            raise invalid(time_from="Field required")
        return report_window(start, end, now, include_last_day=last_day)


class ReservationReportRequest(_Request, kw_only=True):
    """A report of reserved resources. There are no reservations."""

    response_format: Literal["csv_totals", "json"] = "json"
    rounding: bool = True


class ReportRequest(_Request, kw_only=True):
    """The period and the filters of a report: at most 31 whole days (UTC), the last one only with `enable_last_day`."""

    enable_last_day: bool = False
    projects: Annotated[list[Number], AtMostValues] | None = None
    tags: TagsFilter | None = None

    def to_usage_filter(self) -> UsageFilter:
        """Return the domain's filter of usage records."""
        schema = self.schema_filter
        types = None if self.types is None else list(self.types)
        if schema is not None:
            types = [schema.type] if types is None or schema.type in types else []
        return UsageFilter(
            projects=self.projects or (),
            regions=self.regions,
            types=types,
            tags=[TagCondition(key=tag.key, value=tag.value, is_exact=tag.strict) for tag in self._tag_conditions()],
            all_tags=self.tags is not None and self.tags.condition_type == "AND",
            field=schema.field if schema else None,
            values=schema.canonical_values if schema else (),
        )

    def _tag_conditions(self) -> list[ConditionOnTag]:
        return self.tags.conditions if self.tags else []


class CostTotalsRequest(ReportRequest, kw_only=True):
    """A report of sums, and its format."""

    response_format: Literal["csv_totals", "json"] = "json"
    rounding: bool = True


class UsageReportRequest(ReportRequest, kw_only=True):
    """A report of single resources, its order and its page."""

    order_by: Annotated[list[Order], AtMostValues] = field(default_factory=lambda: ["project.asc"])
    sorting: LegacyInput[Annotated[list[Annotated[dict[str, Direction], AtMostValues]], AtMostValues]] = None
    limit: Annotated[int, Meta(ge=1, le=2**31 - 1)] = 10
    offset: Number = 0

    def sort_order(self) -> list[str]:
        """Return the order from `order_by` or the older `sorting`. Raises Invalid."""
        if self.sorting is None:
            return list(self.order_by)
        if unknown := {column for item in self.sorting for column in item} - SORT_KEYS.keys():
            raise invalid(sorting=f"Input should be one of {', '.join(sorted(SORT_KEYS))}, not {min(unknown)}")
        return [f"{column}.{direction}" for item in self.sorting for column, direction in item.items()]


class ResourceCostsRequest(UsageReportRequest, kw_only=True):
    """A report of single resources with their costs, and its format."""

    response_format: Literal["csv_records", "json"] = "json"
    rounding: bool = True
