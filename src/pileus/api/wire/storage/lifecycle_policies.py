"""Lifecycle policies, their usage and their prices, as the API returns them."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from pileus.api.wire.account.prices import Currency, PriceStatus, ResourcePrice, hourly_amount, monthly_amount
from pileus.api.wire.common import make_view
from pileus.api.wire.constraints import VolumeType
from pileus.api.wire.storage.schedules import ScheduleView, schedule_view
from pileus.domain.account.prices import Price
from pileus.domain.catalogue import Catalogue
from pileus.domain.storage.lifecycle_policies import LifecyclePolicy
from pileus.domain.storage.schedules import Schedule


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
        """Make the view of a policy. `volumes` are pairs of id and name."""
        return make_view(
            cls,
            policy,
            schedules=[schedule_view(schedule) for schedule in schedules],
            volumes=[PolicyVolume(volume_id=volume_id, volume_name=name) for volume_id, name in volumes],
        )


class PolicyUsageEstimate(Struct, kw_only=True):
    """The usage of a policy once it keeps all its snapshots.

    The number of snapshots, their size in GiB, the number per volume, and the price.
    """

    max_volume_snapshot_count_usage: int
    max_volume_snapshot_size_usage: int
    max_volume_snapshot_sequence_length: int
    max_cost: ResourcePrice


class VolumeTypePrice(Struct, kw_only=True):
    """The price of the snapshots of volumes of one type."""

    type: VolumeType
    price: float
    discount: float | None


class VolumeTypePrices(Struct, kw_only=True):
    """Prices by volume type."""

    volumes: list[VolumeTypePrice]


class LifecyclePolicyPrice(Struct, kw_only=True):
    """The price of a policy once it keeps all its snapshots."""

    currency_code: Currency
    price_status: PriceStatus
    per_hour: VolumeTypePrices
    per_month: VolumeTypePrices
    total_price_per_hour: float | None
    total_price_per_month: float | None
    price_without_discount_per_month: float | None
    discount: float | None
    tax_percent: float

    @classmethod
    def of(cls, prices: Mapping[str, Price], catalogue: Catalogue) -> "LifecyclePolicyPrice":
        """Make the view of prices by volume type. There are no discounts."""
        total = sum(prices.values(), Price())
        return cls(
            currency_code=catalogue.currency,
            price_status="show",
            per_hour=VolumeTypePrices(
                volumes=[_type_price(name, hourly_amount(price)) for name, price in sorted(prices.items())]
            ),
            per_month=VolumeTypePrices(
                volumes=[_type_price(name, monthly_amount(price)) for name, price in sorted(prices.items())]
            ),
            total_price_per_hour=hourly_amount(total),
            total_price_per_month=monthly_amount(total),
            price_without_discount_per_month=monthly_amount(total),
            discount=0,
            tax_percent=float(catalogue.prices.tax_percent),
        )


def _type_price(name: str, price: float | None) -> VolumeTypePrice:
    return VolumeTypePrice(type=name, price=price or 0, discount=0)  # type: ignore[arg-type]  # volumes have no others
