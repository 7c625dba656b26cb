"""Prices in exact decimal arithmetic; only `round_to_six_places` rounds.

Prices are per month, because volumes are priced per month and a 730th is not exact; the price per hour is derived.
"""

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal

from msgspec import Struct, field

from pileus.domain.catalogue import Catalogue
from pileus.domain.compute.flavors import Flavor
from pileus.domain.compute.images import GIB
from pileus.domain.compute.instance_orders import ResourceDemand
from pileus.domain.compute.instances import InstanceKind
from pileus.domain.load_balancers.flavors import LoadBalancerFlavor
from pileus.domain.storage.file_shares import FileShareType

HOURS_PER_MONTH = 730
AMOUNT_PRECISION = Decimal("0.000001")


class Price(Struct, frozen=True, order=True):
    """A price per month, without taxes."""

    per_month: Decimal = Decimal(0)

    @property
    def per_hour(self) -> Decimal:
        """The price per hour."""
        return self.per_month / HOURS_PER_MONTH

    def __add__(self, other: "Price") -> "Price":
        return Price(self.per_month + other.per_month)

    def __mul__(self, count: int) -> "Price":
        return Price(self.per_month * count)


class PricePreview(Struct, frozen=True, kw_only=True):
    """The price of a demand, for all its `count` servers. Without a price of the flavor the total is unknown."""

    count: int = 1
    flavor: Price | None = None
    volumes: Mapping[str, Price] = field(default_factory=dict)
    floating_ip: Price = Price()
    external_ip: Price = Price()
    egress_virtual_per_gb: Decimal | None = None
    egress_baremetal_per_gb: Decimal | None = None

    @property
    def total(self) -> Price | None:
        """The sum of all parts, or None if the flavor has no price."""
        if self.flavor is None:
            return None
        return sum(self.volumes.values(), self.flavor + self.floating_ip + self.external_ip)

    @property
    def display_status(self) -> str:
        """The API's word for whether the price is shown."""
        return "hide" if self.flavor is None else "show"


def price_from_hourly_amount(amount: Decimal) -> Price:
    """Return the price of a resource that is sold by the hour."""
    return Price(amount * HOURS_PER_MONTH)


def flavor_price(flavor: Flavor) -> Price | None:
    """Return the price of a server, or None if the flavor has no price."""
    return None if flavor.price_per_hour is None else price_from_hourly_amount(flavor.price_per_hour)


def load_balancer_price(flavor: LoadBalancerFlavor) -> Price:
    """Return the price of a load balancer without its addresses."""
    return price_from_hourly_amount(flavor.price_per_hour)


def volume_price(catalogue: Catalogue, size_gib: int, type_name: str) -> Price:
    """Return the price of a volume of `size_gib` GiB. A type that has left the catalogue costs nothing."""
    volume_type = catalogue.volume_type(type_name)
    return Price(size_gib * volume_type.price_per_gib_month) if volume_type else Price()


def file_share_price(catalogue: Catalogue, size_gib: int, type_name: str) -> Price:
    """Return the price of a file share of `size_gib` GiB."""
    prices = catalogue.prices
    by_type = {
        FileShareType.STANDARD: prices.standard_file_share_per_gib_month,
        FileShareType.VAST: prices.vast_file_share_per_gib_month,
    }
    return Price(size_gib * by_type[FileShareType(type_name)])


def snapshot_price(catalogue: Catalogue, size_gib: int) -> Price:
    """Return the price of a snapshot of `size_gib` GiB."""
    return Price(size_gib * catalogue.prices.snapshot_per_gib_month)


def image_price(catalogue: Catalogue, size_bytes: int) -> Price:
    """Return the price of an image of `size_bytes` bytes."""
    return Price(size_bytes * catalogue.prices.image_per_gib_month / GIB)


def floating_ip_price(catalogue: Catalogue) -> Price:
    """Return the price of a floating IP."""
    return price_from_hourly_amount(catalogue.prices.floating_ip_per_hour)


def external_ip_price(catalogue: Catalogue) -> Price:
    """Return the price of an external address."""
    return price_from_hourly_amount(catalogue.prices.external_ip_per_hour)


def preview_price(catalogue: Catalogue, demand: ResourceDemand) -> PricePreview:
    """Price a demand: new servers, or with a count of 1 an existing one."""
    flavor = flavor_price(demand.flavor) if demand.flavor else None
    virtual = demand.flavor is None or demand.flavor.kind == InstanceKind.VM
    return PricePreview(
        count=demand.count,
        flavor=flavor * demand.count if flavor is not None else None,
        volumes=_by_type(catalogue, demand),
        floating_ip=floating_ip_price(catalogue) * (demand.floating_ips * demand.count),
        external_ip=external_ip_price(catalogue) * (demand.external_ips * demand.count),
        egress_virtual_per_gb=catalogue.prices.egress_virtual_per_gb if virtual else None,
        egress_baremetal_per_gb=None if virtual else catalogue.prices.egress_baremetal_per_gb,
    )


def round_to_six_places(amount: Decimal) -> Decimal:
    """Round an amount to six decimal places."""
    return amount.quantize(AMOUNT_PRECISION, ROUND_HALF_UP)


def _by_type(catalogue: Catalogue, demand: ResourceDemand) -> dict[str, Price]:
    costs: dict[str, Price] = {}
    for disk in demand.disks:
        price = volume_price(catalogue, disk.size, disk.type_name) * demand.count
        costs[disk.type_name] = costs.get(disk.type_name, Price()) + price
    return costs
