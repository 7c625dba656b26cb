"""Flavors: as an instance shows its own, each kind in its shape, and as the catalogue lists them."""

from collections.abc import Mapping

from msgspec import UNSET, Struct, UnsetType, structs

from pileus.domain.account import prices
from pileus.domain.compute.flavors import Flavor
from pileus.domain.compute.instances import Kind

WORDS_OF_KIND: Mapping[Kind, tuple[str, ...]] = {
    Kind.VM: ("ram", "vcpus"),
    Kind.BAREMETAL: ("cpu", "disk", "license", "network", "ram"),
    Kind.GPU: ("cpu", "disk", "gpu", "license", "network", "ram"),
}


class Hardware(Struct, kw_only=True):
    """The hardware of a server, in words; what the kind of server does not tell is left out."""

    ram: str
    vcpus: str | UnsetType = UNSET
    cpu: str | UnsetType = UNSET
    disk: str | UnsetType = UNSET
    license: str | UnsetType = UNSET
    network: str | UnsetType = UNSET
    gpu: str | UnsetType = UNSET


class FlavorView(Struct, kw_only=True):
    """The size of an instance; `ram` in MiB; only bare metal and GPU servers have a resource class."""

    flavor_id: str
    flavor_name: str
    vcpus: int
    ram: int
    os_type: str
    architecture: str
    hardware_description: Hardware
    resource_class: str | UnsetType = UNSET

    @classmethod
    def of(cls, flavor: Flavor) -> "FlavorView":
        """Show the flavor of an instance in the shape of its kind."""
        described = flavor.hardware_description
        words = {name: described.get(name, "") for name in WORDS_OF_KIND[flavor.kind]}
        return cls(
            flavor_id=flavor.id,
            flavor_name=flavor.id,
            vcpus=flavor.vcpus,
            ram=flavor.ram,
            os_type=flavor.os_type,
            architecture=flavor.architecture,
            hardware_description=Hardware(**words),
            resource_class=UNSET if flavor.kind == Kind.VM else flavor.resource_class or flavor.id,
        )


class ListedFlavor(Struct, kw_only=True):
    """A flavor of the catalogue."""

    flavor_id: str
    flavor_name: str
    vcpus: int
    ram: int
    os_type: str
    architecture: str
    disabled: bool
    hardware_description: dict[str, str]

    @classmethod
    def of(cls, flavor: Flavor) -> "ListedFlavor":
        """Show a flavor without its price."""
        return cls(
            flavor_id=flavor.id,
            flavor_name=flavor.id,
            vcpus=flavor.vcpus,
            ram=flavor.ram,
            os_type=flavor.os_type,
            architecture=flavor.architecture,
            disabled=flavor.disabled,
            hardware_description=flavor.hardware_description,
        )


class PricedFlavor(ListedFlavor, kw_only=True):
    """A flavor of the catalogue with its price; one without a price hides it."""

    currency_code: str | None
    price_per_hour: float | None
    price_per_month: float | None
    price_status: str | None

    @classmethod
    def priced(cls, flavor: Flavor, currency_code: str) -> "PricedFlavor":
        """Show a flavor with its price."""
        price = prices.of_flavor(flavor)
        return cls(
            **structs.asdict(ListedFlavor.of(flavor)),
            currency_code=currency_code,
            price_per_hour=None if price is None else float(prices.format_amount(price.per_hour)),
            price_per_month=None if price is None else float(prices.format_amount(price.per_month)),
            price_status="hide" if price is None else "show",
        )


PRICE = ("currency_code", "price_per_hour", "price_per_month", "price_status")


class ServerFlavor(ListedFlavor, kw_only=True):
    """A flavor of bare metal servers; room and price are shown to those who ask."""

    resource_class: str | None
    capacity: int | UnsetType | None = UNSET
    reserved_capacity: int | UnsetType | None = UNSET
    currency_code: str | UnsetType | None = UNSET
    price_per_hour: float | UnsetType | None = UNSET
    price_per_month: float | UnsetType | None = UNSET
    price_status: str | UnsetType | None = UNSET

    @classmethod
    def of(cls, flavor: Flavor) -> "ServerFlavor":
        """Show a flavor."""
        return cls(**structs.asdict(ListedFlavor.of(flavor)), resource_class=flavor.resource_class or flavor.id)

    def priced(self, flavor: Flavor, currency_code: str) -> "ServerFlavor":
        """Show what it costs, too."""
        shown = PricedFlavor.priced(flavor, currency_code)
        return structs.replace(self, **{name: getattr(shown, name) for name in PRICE})


class ChangeFlavor(Struct, kw_only=True):
    """The flavor to change an instance to."""

    flavor_id: str
