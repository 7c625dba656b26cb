"""Lifecycle policies: as the API shows them, the bodies that make and change them, and what they would cost."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from pileus.api.wire.account.prices import Currency, ItemPrice, PriceStatus, hourly, monthly
from pileus.api.wire.constraints import END, Uuid, VolumeType
from pileus.api.wire.patches import present_fields
from pileus.api.wire.storage.schedules import CreateSchedule, ScheduleView, schedule_view
from pileus.domain.account.prices import Price
from pileus.domain.catalogue import Catalogue
from pileus.domain.storage.lifecycle_policies import LifecyclePolicy
from pileus.domain.storage.schedules import MOST_SCHEDULES, Schedule

MANY = 1000
"""Things that a request can name."""

PolicyName = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9][a-zA-Z 0-9._\-]{1,61}[a-zA-Z0-9._]" + END)]
NewName = Annotated[str, Meta(min_length=1, max_length=255)]
Action = Literal["volume_snapshot"]
Status = Literal["active", "paused"]
NewSchedules = Annotated[list[CreateSchedule], Meta(max_length=MOST_SCHEDULES)]


class PolicyVolume(Struct, kw_only=True):
    """A volume of a policy."""

    volume_id: str
    volume_name: str


class LifecyclePolicyView(Struct, kw_only=True):
    """A policy with its schedules and volumes."""

    id: int
    name: str
    action: str
    status: str
    project_id: int
    region_id: int
    user_id: int
    schedules: list[ScheduleView]
    volumes: list[PolicyVolume]

    @classmethod
    def of(
        cls, policy: LifecyclePolicy, schedules: Iterable[Schedule], volumes: Iterable[tuple[str, str]]
    ) -> "LifecyclePolicyView":
        """Show a policy; volumes are ids and names."""
        return cls(
            id=policy.id,
            name=policy.name,
            action=policy.action,
            status=policy.status,
            project_id=policy.project_id,
            region_id=policy.region_id,
            user_id=policy.user_id,
            schedules=[schedule_view(schedule) for schedule in schedules],
            volumes=[PolicyVolume(volume_id=each, volume_name=name) for each, name in volumes],
        )


class CreateLifecyclePolicy(Struct, kw_only=True):
    """A policy to make, or to be priced before it is made."""

    name: NewName
    action: Action
    status: Status = "active"
    schedules: NewSchedules = field(default_factory=list)
    volume_ids: Annotated[list[Uuid], Meta(max_length=MANY)] = field(default_factory=list)


class UpdateLifecyclePolicy(Struct, kw_only=True):
    """What is to change about a policy."""

    name: PolicyName | UnsetType = UNSET
    status: Status | UnsetType = UNSET

    def changes(self) -> dict[str, Any]:
        """What was given."""
        return present_fields(self)


class AddSchedules(Struct, kw_only=True):
    """Schedules to add to a policy."""

    schedules: NewSchedules


class RemoveSchedules(Struct, kw_only=True):
    """Schedules to take out of a policy."""

    schedule_ids: Annotated[list[str], Meta(max_length=MANY)]


class PolicyVolumes(Struct, kw_only=True):
    """Volumes to put into a policy, or to take out of it."""

    volume_ids: Annotated[list[str], Meta(max_length=MANY)]


class PolicyUsage(Struct, kw_only=True):
    """What a policy uses when all its snapshots are there: how many, their GiB, how many of one volume, and price."""

    max_volume_snapshot_count_usage: int
    max_volume_snapshot_size_usage: int
    max_volume_snapshot_sequence_length: int
    max_cost: ItemPrice


class PricePolicy(Struct, kw_only=True):
    """A policy to be priced before it is made."""

    volume_ids: Annotated[list[Uuid], Meta(min_length=1, max_length=100)]
    schedules: NewSchedules = field(default_factory=list)


class TypePrice(Struct, kw_only=True):
    """The price of the snapshots of volumes of one type."""

    type: VolumeType
    price: float
    discount: float | None


class TypePrices(Struct, kw_only=True):
    """Prices by the type of the volumes."""

    volumes: list[TypePrice]


class PolicyPrice(Struct, kw_only=True):
    """What a policy costs when all its snapshots are there."""

    currency_code: Currency
    price_status: PriceStatus
    per_hour: TypePrices
    per_month: TypePrices
    total_price_per_hour: float | None
    total_price_per_month: float | None
    price_without_discount_per_month: float | None
    discount: float | None
    tax_percent: float

    @classmethod
    def of(cls, prices: Mapping[str, Price], catalogue: Catalogue) -> "PolicyPrice":
        """Show prices by type; there are no discounts here."""
        total = sum(prices.values(), Price())
        return cls(
            currency_code=catalogue.currency,
            price_status="show",
            per_hour=TypePrices(volumes=[_typed(name, hourly(price)) for name, price in sorted(prices.items())]),
            per_month=TypePrices(volumes=[_typed(name, monthly(price)) for name, price in sorted(prices.items())]),
            total_price_per_hour=hourly(total),
            total_price_per_month=monthly(total),
            price_without_discount_per_month=monthly(total),
            discount=0,
            tax_percent=float(catalogue.prices.tax_percent),
        )


def _typed(name: str, price: float | None) -> TypePrice:
    return TypePrice(type=name, price=price or 0, discount=0)  # type: ignore[arg-type]  # volumes have no others
