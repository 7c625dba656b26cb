"""Prices as the API returns them."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from pileus.domain.account.prices import Price, PricePreview, round_to_six_places
from pileus.domain.catalogue import Catalogue

Currency = Literal["AZN", "EUR", "USD"]
PriceStatus = Literal["error", "hide", "show"]


class ResourcePrice(Struct, kw_only=True):
    """The price of one resource."""

    currency_code: Currency | None
    price_status: PriceStatus
    price_per_hour: float | None
    price_per_month: float | None
    price_without_discount_per_month: float | None
    discount_percent: float | None
    tax_percent: float

    @classmethod
    def of(cls, price: Price | None, catalogue: Catalogue) -> "ResourcePrice":
        """Make the view of a price; None hides it. There are no discounts."""
        return cls(
            currency_code=catalogue.currency,
            price_status="hide" if price is None else "show",
            price_per_hour=hourly_amount(price),
            price_per_month=monthly_amount(price),
            price_without_discount_per_month=monthly_amount(price),
            discount_percent=0,
            tax_percent=float(catalogue.prices.tax_percent),
        )


class VolumePricesByType(Struct, kw_only=True):
    """The prices of volumes by type."""

    cold: float | None
    ssd_hiiops: float | None
    ssd_lowlatency: float | None
    standard: float | None
    ultra: float | None

    @classmethod
    def of(cls, amounts_by_type: Mapping[str, float | None]) -> "VolumePricesByType":
        """Make the view of amounts by type."""
        return cls(**{name: amounts_by_type.get(name) for name in cls.__struct_fields__})


class InstancePriceBreakdown(Struct, kw_only=True):
    """The parts of an instance's price."""

    flavor: float | None
    external_ip: float | None
    floating_ip: float | None
    volumes: VolumePricesByType | None


class EgressTrafficPrice(Struct, kw_only=True):
    """The price of a GB of egress traffic."""

    egress_traffic_baremetal: float | None
    egress_traffic_virtual: float | None


class ResourceDiscount(Struct, kw_only=True):
    """A discount on a resource."""

    resource: str
    discount: str


class InstancePrice(Struct, kw_only=True):
    """The price of an instance, in total and in parts."""

    currency_code: Currency | None
    price_status: PriceStatus
    per_hour: InstancePriceBreakdown
    per_month: InstancePriceBreakdown
    per_gb: EgressTrafficPrice | None
    total_price_per_hour: float | None
    total_price_per_month: float | None
    price_without_discount_per_month: float | None
    discount_percent: str
    discount_details: list[ResourceDiscount]
    tax_percent: float
    vm_count: int

    @classmethod
    def of(cls, preview: PricePreview, catalogue: Catalogue) -> "InstancePrice":
        """Make the view of a preview. There are no discounts."""
        total = preview.total
        virtual, baremetal = preview.egress_virtual_per_gb, preview.egress_baremetal_per_gb
        return cls(
            currency_code=catalogue.currency,
            price_status="hide" if total is None else "show",
            per_hour=InstancePriceBreakdown(
                flavor=hourly_amount(preview.flavor),
                external_ip=hourly_amount(preview.external_ip),
                floating_ip=hourly_amount(preview.floating_ip),
                volumes=VolumePricesByType.of({name: hourly_amount(price) for name, price in preview.volumes.items()}),
            ),
            per_month=InstancePriceBreakdown(
                flavor=monthly_amount(preview.flavor),
                external_ip=monthly_amount(preview.external_ip),
                floating_ip=monthly_amount(preview.floating_ip),
                volumes=VolumePricesByType.of({name: monthly_amount(price) for name, price in preview.volumes.items()}),
            ),
            per_gb=EgressTrafficPrice(
                egress_traffic_baremetal=_number(baremetal), egress_traffic_virtual=_number(virtual)
            ),
            total_price_per_hour=hourly_amount(total),
            total_price_per_month=monthly_amount(total),
            price_without_discount_per_month=monthly_amount(total),
            discount_percent="0",
            discount_details=[],
            tax_percent=float(catalogue.prices.tax_percent),
            vm_count=preview.count,
        )


def hourly_amount(price: Price | None) -> float | None:
    """Return the price per hour as a number."""
    return _number(None if price is None else price.per_hour)


def monthly_amount(price: Price | None) -> float | None:
    """Return the price per month as a number."""
    return _number(None if price is None else price.per_month)


def _number(amount: Decimal | None) -> float | None:
    return None if amount is None else float(round_to_six_places(amount))
