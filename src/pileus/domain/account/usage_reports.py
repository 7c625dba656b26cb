"""Usage records and reports: resources over time and their costs, in exact decimal arithmetic."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from pileus.domain.account import prices
from pileus.domain.account.prices import HOURS_PER_MONTH, Price
from pileus.domain.catalogue import Catalogue
from pileus.domain.compute.images import GIB
from pileus.domain.errors import invalid

MINUTE = 60_000_000
DAY = 24 * 60 * MINUTE
MAX_REPORT_DAYS = 31
"""The most days that a report can cover."""
AMOUNT_PRECISION = Decimal("0.00001")


class BilledResourceType(StrEnum):
    """The resource types of the public API's reports that are recorded here."""

    BAREMETAL = "baremetal"
    EXTERNAL_IP = "external_ip"
    FILE_SHARE = "file_share"
    FLOATING_IP = "floatingip"
    IMAGE = "image"
    INSTANCE = "instance"
    LOAD_BALANCER = "load_balancer"
    SNAPSHOT = "snapshot"
    VOLUME = "volume"


SIZE_UNITS = {
    BilledResourceType.FILE_SHARE: "GiB",
    BilledResourceType.IMAGE: "bytes",
    BilledResourceType.SNAPSHOT: "GiB",
    BilledResourceType.VOLUME: "GiB",
}
"""Types that are charged by size, with the unit of their `last_size`."""
PRICE_FACTS = {
    BilledResourceType.BAREMETAL: "flavor",
    BilledResourceType.FILE_SHARE: "file_share_type",
    BilledResourceType.INSTANCE: "flavor",
    BilledResourceType.LOAD_BALANCER: "flavor",
    BilledResourceType.SNAPSHOT: "volume_type",
    BilledResourceType.VOLUME: "volume_type",
}
"""The fact that determines the price of a resource of a type."""


def _flavor_price(catalogue: Catalogue, facts: Mapping[str, Any]) -> Price | None:
    flavor = catalogue.flavor(facts["flavor"])
    return prices.flavor_price(flavor) if flavor else None


def _load_balancer_price(catalogue: Catalogue, facts: Mapping[str, Any]) -> Price | None:
    flavor = catalogue.load_balancer_flavor(facts["flavor"])
    return prices.load_balancer_price(flavor) if flavor else None


PRICES: Mapping[BilledResourceType, Callable[[Catalogue, Mapping[str, Any]], Price | None]] = {
    BilledResourceType.BAREMETAL: _flavor_price,
    BilledResourceType.EXTERNAL_IP: lambda catalogue, _: prices.external_ip_price(catalogue),
    BilledResourceType.FILE_SHARE: lambda catalogue, facts: prices.file_share_price(
        catalogue, 1, facts["file_share_type"]
    ),
    BilledResourceType.FLOATING_IP: lambda catalogue, _: prices.floating_ip_price(catalogue),
    BilledResourceType.IMAGE: lambda catalogue, _: prices.image_price(catalogue, GIB),
    BilledResourceType.INSTANCE: _flavor_price,
    BilledResourceType.LOAD_BALANCER: _load_balancer_price,
    BilledResourceType.SNAPSHOT: lambda catalogue, _: prices.snapshot_price(catalogue, 1),
    BilledResourceType.VOLUME: lambda catalogue, facts: prices.volume_price(catalogue, 1, facts["volume_type"]),
}
"""The price of one unit per month, by the catalogue and the facts of a usage record."""


class UsageRecord(Struct, frozen=True, kw_only=True):
    """A resource over a period of constant price; `facts` are the further fields of its report."""

    resource_id: str
    started_at: int
    ended_at: int
    type: str
    client_id: int
    project_id: int
    region_id: int
    name: str
    facts: dict[str, Any]
    tags: dict[str, str] = field(default_factory=dict)

    def clipped_to(self, window: "TimeWindow") -> "UsageRecord | None":
        """Return the part of the record within a window, or None."""
        start, end = max(self.started_at, window.start), min(self.ended_at, window.end)
        return replace(self, started_at=start, ended_at=end) if start < end else None

    @property
    def filterable_fields(self) -> dict[str, Any]:
        """The fields that reports can filter by."""
        return {"uuid": self.resource_id, "type": self.type, "last_name": self.name, **self.facts}

    @property
    def charged_quantity(self) -> Decimal:
        """The charged quantity: minutes, or minutes times GiB."""
        minutes = Decimal(self.ended_at - self.started_at) / MINUTE
        if self.type not in SIZE_UNITS:
            return minutes
        size = Decimal(self.facts["last_size"] or 0)
        return minutes * (size / GIB if self.type == BilledResourceType.IMAGE else size)

    def cost(self, catalogue: Catalogue) -> Decimal | None:
        """Return the cost at the catalogue's current prices, or None for a flavor without a price."""
        price = self._price(catalogue)
        return None if price is None else price.per_month / (HOURS_PER_MONTH * 60) * self.charged_quantity

    def _price(self, catalogue: Catalogue) -> Price | None:
        """Return the price of one unit per month."""
        return PRICES[BilledResourceType(self.type)](catalogue, self.facts)


class TimeWindow(Struct, frozen=True):
    """A period of time; the end is exclusive."""

    start: int
    end: int


def report_window(start: int, end: int, now: int, *, include_last_day: bool) -> TimeWindow:
    """Return the window of whole days (UTC); `include_last_day` includes the last one. Raises Invalid."""
    first, last = start // DAY * DAY, end // DAY * DAY + (DAY if include_last_day else 0)
    if last < first:
        raise invalid(time_to="Input should not be before time_from")
    if last - first > (MAX_REPORT_DAYS + 1 if include_last_day else MAX_REPORT_DAYS) * DAY:
        raise invalid(time_to=f"A report covers at most {MAX_REPORT_DAYS} days")
    return TimeWindow(first, min(last, now))


class UsageReportLine(Struct, frozen=True, kw_only=True):
    """The usage of one resource, or of one type of resources, in a window. `record` is the latest."""

    record: UsageRecord
    quantity: Decimal
    cost: Decimal | None
    first_seen: int
    last_seen: int

    def with_record(self, record: UsageRecord, catalogue: Catalogue) -> "UsageReportLine":
        """Return the line with one more record."""
        cost = record.cost(catalogue)
        return UsageReportLine(
            record=record if record.ended_at > self.last_seen else self.record,
            quantity=self.quantity + record.charged_quantity,
            cost=None if self.cost is None or cost is None else self.cost + cost,
            first_seen=min(self.first_seen, record.started_at),
            last_seen=max(self.last_seen, record.ended_at),
        )


LineKey = Callable[[UsageRecord], tuple[Any, ...]]


class UsageReportLines:
    """Sums usage records in lines: those for which `key` is the same share a line."""

    def __init__(self, catalogue: Catalogue, key: LineKey) -> None:
        self._catalogue = catalogue
        self._key = key
        self._line_by_key: dict[tuple[Any, ...], UsageReportLine] = {}

    @property
    def lines(self) -> list[UsageReportLine]:
        """Return the lines."""
        return list(self._line_by_key.values())

    def add(self, record: UsageRecord) -> None:
        """Add a record to its line."""
        key = self._key(record)
        line = self._line_by_key.get(key) or UsageReportLine(
            record=record,
            quantity=Decimal(0),
            cost=Decimal(0),
            first_seen=record.started_at,
            last_seen=record.ended_at,
        )
        self._line_by_key[key] = line.with_record(record, self._catalogue)


def resource_line_key(record: UsageRecord) -> tuple[Any, ...]:
    """Return what the records of a line have in common: resource and price."""
    return record.resource_id, record.type, _price_fact(record)


def total_line_key(record: UsageRecord) -> tuple[Any, ...]:
    """Return what the records of a line have in common: type, region and price."""
    return record.type, record.region_id, _price_fact(record)


def _price_fact(record: UsageRecord) -> str:
    return str(record.facts.get(PRICE_FACTS.get(BilledResourceType(record.type), ""), ""))


SORT_KEYS: Mapping[str, Any] = {
    "billing_value": lambda line: line.quantity,
    "first_seen": lambda line: line.first_seen,
    "last_name": lambda line: line.record.name,
    "last_seen": lambda line: line.last_seen,
    "project": lambda line: line.record.project_id,
    "region": lambda line: line.record.region_id,
    "type": lambda line: line.record.type,
}


def sort_report_lines(lines: Iterable[UsageReportLine], order_by: Sequence[str]) -> list[UsageReportLine]:
    """Sort lines by the API's sort keys (`column.direction`), the first as primary key."""
    result = sorted(lines, key=lambda line: (line.record.type, line.record.resource_id, line.first_seen))
    for sort_key in reversed(order_by):
        column, _, direction = sort_key.partition(".")
        result.sort(key=SORT_KEYS[column], reverse=direction == "desc")
    return result


class TagCondition(Struct, frozen=True, kw_only=True):
    """A condition on tags. An exact condition compares the whole value, another one a part of it."""

    key: str | None = None
    value: str | None = None
    is_exact: bool = False

    def matches(self, tags: Mapping[str, str]) -> bool:
        """Return whether one of the tags meets the condition."""
        return any(self._matches_tag(key, value) for key, value in tags.items())

    def _matches_tag(self, key: str, value: str) -> bool:
        if self.key is not None and key != self.key:
            return False
        if self.value is None or value == self.value:
            return True
        return not self.is_exact and self.value.lower() in value.lower()


class UsageFilter(Struct, frozen=True, kw_only=True):
    """The filter of a report. None and empty do not filter."""

    projects: Sequence[int] = ()
    regions: Sequence[int] = ()
    types: Sequence[str] | None = None
    tags: Sequence[TagCondition] = ()
    all_tags: bool = False
    field: str | None = None
    values: Sequence[str] = ()

    def matches(self, record: UsageRecord) -> bool:
        """Return whether a record belongs to the report."""
        return (
            (not self.projects or record.project_id in self.projects)
            and (not self.regions or record.region_id in self.regions)
            and (self.types is None or record.type in self.types)
            and self._matches_tags(record)
            and self._matches_field(record)
        )

    def _matches_tags(self, record: UsageRecord) -> bool:
        if not self.tags:
            return True
        results = [condition.matches(record.tags) for condition in self.tags]
        return all(results) if self.all_tags else any(results)

    def _matches_field(self, record: UsageRecord) -> bool:
        return self.field is None or str(record.filterable_fields.get(self.field)) in self.values


def amount_to_float(amount: Decimal, *, is_rounded: bool) -> float:
    """Return an amount as a float, rounded to five decimal places if `is_rounded`."""
    return float(amount.quantize(AMOUNT_PRECISION) if is_rounded else amount)
