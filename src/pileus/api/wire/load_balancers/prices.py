"""Prices of load balancers as the API shows them, and requests for prices and quotas."""

from typing import Literal

from msgspec import Struct, structs

from pileus.api.wire.account.prices import Currency, PriceStatus, hourly_amount, monthly_amount
from pileus.api.wire.constraints import IpFamily, Uuid
from pileus.api.wire.load_balancers.load_balancer_requests import FlavorName, LoggingSettings
from pileus.api.wire.load_balancers.load_balancers import LoadBalancerFlavorView
from pileus.api.wire.network.interface_requests import InterfaceFloatingIP
from pileus.domain.account.prices import Price, load_balancer_price
from pileus.domain.catalogue import Catalogue
from pileus.domain.compute.instance_orders import FloatingIPChoice
from pileus.domain.load_balancers.flavors import LoadBalancerFlavor
from pileus.domain.load_balancers.load_balancer_orders import NewLoadBalancer


class PricedLoadBalancerFlavor(LoadBalancerFlavorView, kw_only=True):
    """A flavor of load balancers with its price."""

    currency_code: str | None
    price_per_hour: float | None
    price_per_month: float | None
    price_status: PriceStatus | None

    @classmethod
    def with_price(cls, flavor: LoadBalancerFlavor, currency_code: str) -> "PricedLoadBalancerFlavor":
        """Return the view of a flavor with its price."""
        price = load_balancer_price(flavor)
        return cls(
            **structs.asdict(LoadBalancerFlavorView.of(flavor)),
            currency_code=currency_code,
            price_per_hour=hourly_amount(price),
            price_per_month=monthly_amount(price),
            price_status="show",
        )


class LoadBalancerPriceBreakdown(Struct, kw_only=True):
    """The parts of a load balancer's price."""

    flavor: float | None
    floating_ip: float | None
    external_ip: float | None


class LoadBalancerPrice(Struct, kw_only=True):
    """The price of a load balancer, in total and in parts."""

    currency_code: Currency | None
    price_status: PriceStatus
    per_hour: LoadBalancerPriceBreakdown
    per_month: LoadBalancerPriceBreakdown
    total_price_per_hour: float | None
    total_price_per_month: float | None
    price_without_discount_per_month: float | None
    discount_percent: float | None
    tax_percent: float

    @classmethod
    def of(cls, flavor: Price, floating_ip: Price, external_ip: Price, catalogue: Catalogue) -> "LoadBalancerPrice":
        """Make the view of a price. There are no discounts."""
        parts = {"flavor": flavor, "floating_ip": floating_ip, "external_ip": external_ip}
        total = flavor + floating_ip + external_ip
        return cls(
            currency_code=catalogue.currency,
            price_status="show",
            per_hour=LoadBalancerPriceBreakdown(**{name: hourly_amount(price) for name, price in parts.items()}),
            per_month=LoadBalancerPriceBreakdown(**{name: monthly_amount(price) for name, price in parts.items()}),
            total_price_per_hour=hourly_amount(total),
            total_price_per_month=monthly_amount(total),
            price_without_discount_per_month=monthly_amount(total),
            discount_percent=0,
            tax_percent=float(catalogue.prices.tax_percent),
        )


class LoadBalancerPriceRequest(Struct, kw_only=True):
    """The flavor to price."""

    flavor: FlavorName


class LoadBalancerPriceV2Request(LoadBalancerPriceRequest, kw_only=True):
    """A load balancer to price: its flavor, and where its address comes from."""

    vip_network_id: Uuid | None = None
    vip_subnet_id: Uuid | None = None
    vip_port_id: Uuid | None = None
    vip_ip_family: IpFamily | None = None
    floating_ip: InterfaceFloatingIP | None = None

    def to_new_load_balancer(self) -> NewLoadBalancer:
        """Return the load balancer."""
        return NewLoadBalancer(
            name="",
            vip_network_id=self.vip_network_id,
            vip_subnet_id=self.vip_subnet_id,
            vip_port_id=self.vip_port_id,
            floating_ip=self.floating_ip.to_floating_ip_choice() if self.floating_ip is not None else None,
        )


class CountedFloatingIP(Struct, kw_only=True):
    """A floating IP: a new one, or an existing one."""

    source: Literal["existing", "new"]
    existing_floating_id: Uuid | None = None


class LoadBalancerLimitsRequest(Struct, kw_only=True):
    """A load balancer whose quotas are checked."""

    vip_network_id: Uuid | None = None
    vip_port_id: Uuid | None = None
    vip_ip_family: IpFamily | None = None
    floating_ip: CountedFloatingIP | None = None
    logging: LoggingSettings | None = None

    def to_new_load_balancer(self) -> NewLoadBalancer:
        """Return the load balancer."""
        is_existing = self.floating_ip is not None and self.floating_ip.source == "existing"
        choice = FloatingIPChoice(existing_id="" if is_existing else None) if self.floating_ip else None
        return NewLoadBalancer(
            name="", vip_network_id=self.vip_network_id, vip_port_id=self.vip_port_id, floating_ip=choice
        )
