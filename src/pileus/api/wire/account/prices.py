"""Prices: of an instance, and of one that is thought of; the body that asks."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from pileus.api.wire.constraints import Size, VolumeSourceName, VolumeType
from pileus.api.wire.network.interface_requests import NewInterface
from pileus.domain.account.prices import Preview, Price, format_amount
from pileus.domain.catalogue import Catalogue

Currency = Literal["AZN", "EUR", "USD"]
PriceStatus = Literal["error", "hide", "show"]


class PricedVolume(Struct, kw_only=True):
    """A volume to be priced or counted."""

    source: VolumeSourceName
    size: Size | None = None
    snapshot_id: str | None = None
    type_name: VolumeType | None = None


class PriceVolume(Struct, kw_only=True):
    """A volume to be priced before it is made."""

    source: Literal["image", "new-volume", "snapshot"]
    size: Annotated[int, Meta(ge=1, le=102400)] | None = None
    snapshot_id: str | None = None
    type_name: VolumeType | None = None


class PreviewPrice(Struct, kw_only=True):
    """An instance to be priced before it is made."""

    flavor: str
    interfaces: list[NewInterface]
    volumes: list[PricedVolume] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    name_templates: list[str | None] = field(default_factory=list)


class ItemPrice(Struct, kw_only=True):
    """The price of one thing."""

    currency_code: Currency | None
    price_status: PriceStatus
    price_per_hour: float | None
    price_per_month: float | None
    price_without_discount_per_month: float | None
    discount_percent: float | None
    tax_percent: float

    @classmethod
    def of(cls, price: Price | None, catalogue: Catalogue) -> "ItemPrice":
        """Show a price; there are no discounts here."""
        return cls(
            currency_code=catalogue.currency,
            price_status="hide" if price is None else "show",
            price_per_hour=hourly(price),
            price_per_month=monthly(price),
            price_without_discount_per_month=monthly(price),
            discount_percent=0,
            tax_percent=float(catalogue.prices.tax_percent),
        )


class VolumesPrice(Struct, kw_only=True):
    """The price of volumes, by type."""

    cold: float | None
    ssd_hiiops: float | None
    ssd_lowlatency: float | None
    standard: float | None
    ultra: float | None

    @classmethod
    def of(cls, amounts: Mapping[str, float | None]) -> "VolumesPrice":
        """Show amounts by type."""
        return cls(**{name: amounts.get(name) for name in cls.__struct_fields__})


class InstancePriceParts(Struct, kw_only=True):
    """What an instance's price is made of."""

    flavor: float | None
    external_ip: float | None
    floating_ip: float | None
    volumes: VolumesPrice | None


class TrafficPrice(Struct, kw_only=True):
    """The price of a GB that leaves."""

    egress_traffic_baremetal: float | None
    egress_traffic_virtual: float | None


class Discount(Struct, kw_only=True):
    """A discount on a resource."""

    resource: str
    discount: str


class InstancePrice(Struct, kw_only=True):
    """The price of an instance, whole and in parts."""

    currency_code: Currency | None
    price_status: PriceStatus
    per_hour: InstancePriceParts
    per_month: InstancePriceParts
    per_gb: TrafficPrice | None
    total_price_per_hour: float | None
    total_price_per_month: float | None
    price_without_discount_per_month: float | None
    discount_percent: str
    discount_details: list[Discount]
    tax_percent: float
    vm_count: int

    @classmethod
    def of(cls, preview: Preview, catalogue: Catalogue) -> "InstancePrice":
        """Show a preview; there are no discounts here."""
        total = preview.total
        virtual, baremetal = preview.egress_virtual_per_gb, preview.egress_baremetal_per_gb
        return cls(
            currency_code=catalogue.currency,
            price_status="hide" if total is None else "show",
            per_hour=InstancePriceParts(
                flavor=hourly(preview.flavor),
                external_ip=hourly(preview.external_ip),
                floating_ip=hourly(preview.floating_ip),
                volumes=VolumesPrice.of({name: hourly(price) for name, price in preview.volumes.items()}),
            ),
            per_month=InstancePriceParts(
                flavor=monthly(preview.flavor),
                external_ip=monthly(preview.external_ip),
                floating_ip=monthly(preview.floating_ip),
                volumes=VolumesPrice.of({name: monthly(price) for name, price in preview.volumes.items()}),
            ),
            per_gb=TrafficPrice(egress_traffic_baremetal=_number(baremetal), egress_traffic_virtual=_number(virtual)),
            total_price_per_hour=hourly(total),
            total_price_per_month=monthly(total),
            price_without_discount_per_month=monthly(total),
            discount_percent="0",
            discount_details=[],
            tax_percent=float(catalogue.prices.tax_percent),
            vm_count=preview.count,
        )


def hourly(price: Price | None) -> float | None:
    """What is shown of a price by the hour."""
    return _number(None if price is None else price.per_hour)


def monthly(price: Price | None) -> float | None:
    """What is shown of a price by the month."""
    return _number(None if price is None else price.per_month)


def _number(amount: Decimal | None) -> float | None:
    return None if amount is None else float(format_amount(amount))
