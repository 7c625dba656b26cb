"""Prices: exact decimal arithmetic; only `shown` rounds, at the very edge.

Everything is reckoned by the month, because volumes are priced so and 730 does not divide evenly: an hour is derived.
"""

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal

from msgspec import Struct, field

from pileus.domain.catalogue import Catalogue
from pileus.domain.compute.flavors import Flavor
from pileus.domain.compute.images import GIB
from pileus.domain.compute.instance_orders import ResourceDemand
from pileus.domain.compute.instances import Kind

HOURS_PER_MONTH = 730
AMOUNT_PRECISION = Decimal("0.000001")


class Price(Struct, frozen=True, order=True):
    """What something costs in a month, without taxes."""

    per_month: Decimal = Decimal(0)

    @property
    def per_hour(self) -> Decimal:
        """What it costs in an hour."""
        return self.per_month / HOURS_PER_MONTH

    def __add__(self, other: "Price") -> "Price":
        return Price(self.per_month + other.per_month)

    def __mul__(self, count: int) -> "Price":
        return Price(self.per_month * count)


class PricePreview(Struct, frozen=True, kw_only=True):
    """What a basket costs, all its `count` servers together; a flavor without a price leaves the total unknown."""

    count: int = 1
    flavor: Price | None = None
    volumes: Mapping[str, Price] = field(default_factory=dict)
    floating_ip: Price = Price()
    external_ip: Price = Price()
    egress_virtual_per_gb: Decimal | None = None
    egress_baremetal_per_gb: Decimal | None = None

    @property
    def total(self) -> Price | None:
        """The sum of its parts."""
        if self.flavor is None:
            return None
        return sum(self.volumes.values(), self.flavor + self.floating_ip + self.external_ip)

    @property
    def status(self) -> str:
        """Whether there is a price to be shown."""
        return "hide" if self.flavor is None else "show"


def price_from_hourly(amount: Decimal) -> Price:
    """The price of what is sold by the hour."""
    return Price(amount * HOURS_PER_MONTH)


def of_flavor(flavor: Flavor) -> Price | None:
    """What a server of a flavor costs, or None if the catalogue does not say."""
    return None if flavor.price_per_hour is None else price_from_hourly(flavor.price_per_hour)


def of_volume(catalogue: Catalogue, size: int, type_name: str) -> Price:
    """What a volume of `size` GiB costs; a type that is no longer in the catalogue costs nothing."""
    volume_type = catalogue.volume_type(type_name)
    return Price(size * volume_type.price_per_gib_month) if volume_type else Price()


def of_snapshot(catalogue: Catalogue, size: int) -> Price:
    """What a snapshot of a volume of `size` GiB costs."""
    return Price(size * catalogue.prices.snapshot_per_gib_month)


def of_image(catalogue: Catalogue, size: int) -> Price:
    """What it costs to keep an image of `size` bytes."""
    return Price(size * catalogue.prices.image_per_gib_month / GIB)


def of_floating_ip(catalogue: Catalogue) -> Price:
    """What a floating IP costs."""
    return price_from_hourly(catalogue.prices.floating_ip_per_hour)


def of_external_ip(catalogue: Catalogue) -> Price:
    """What an external address costs."""
    return price_from_hourly(catalogue.prices.external_ip_per_hour)


def preview_price(catalogue: Catalogue, demand: ResourceDemand) -> PricePreview:
    """Reckon what a basket costs: servers to be made, or with a count of 1 one that lives."""
    flavor = of_flavor(demand.flavor) if demand.flavor else None
    virtual = demand.flavor is None or demand.flavor.kind == Kind.VM
    return PricePreview(
        count=demand.count,
        flavor=flavor * demand.count if flavor is not None else None,
        volumes=_by_type(catalogue, demand),
        floating_ip=of_floating_ip(catalogue) * (demand.floating_ips * demand.count),
        external_ip=of_external_ip(catalogue) * (demand.external_ips * demand.count),
        egress_virtual_per_gb=catalogue.prices.egress_virtual_per_gb if virtual else None,
        egress_baremetal_per_gb=None if virtual else catalogue.prices.egress_baremetal_per_gb,
    )


def format_amount(amount: Decimal) -> Decimal:
    """An amount as it is told to people and programs: to a millionth."""
    return amount.quantize(AMOUNT_PRECISION, ROUND_HALF_UP)


def _by_type(catalogue: Catalogue, basket: ResourceDemand) -> dict[str, Price]:
    costs: dict[str, Price] = {}
    for disk in basket.disks:
        price = of_volume(catalogue, disk.size, disk.type_name) * basket.count
        costs[disk.type_name] = costs.get(disk.type_name, Price()) + price
    return costs
