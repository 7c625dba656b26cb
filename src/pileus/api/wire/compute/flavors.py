"""Flavors: in an instance, where each kind has a shape of its own, and in lists."""

from collections.abc import Mapping

from msgspec import UNSET, Struct, UnsetType, structs

from pileus.api.wire.common import make_view
from pileus.domain.account import prices
from pileus.domain.compute.flavors import Flavor
from pileus.domain.compute.instances import InstanceKind

HARDWARE_FIELDS: Mapping[InstanceKind, tuple[str, ...]] = {
    InstanceKind.VM: ("ram", "vcpus"),
    InstanceKind.BAREMETAL: ("cpu", "disk", "license", "network", "ram"),
    InstanceKind.GPU: ("cpu", "disk", "gpu", "license", "network", "ram"),
}


class HardwareDescription(Struct, kw_only=True):
    """A description of the hardware; which fields are present depends on the kind of instance."""

    ram: str
    vcpus: str | UnsetType = UNSET
    cpu: str | UnsetType = UNSET
    disk: str | UnsetType = UNSET
    license: str | UnsetType = UNSET
    network: str | UnsetType = UNSET
    gpu: str | UnsetType = UNSET


class InstanceFlavorView(Struct, kw_only=True):
    """The flavor of an instance; `ram` in MiB; only bare metal and GPU servers have a resource class."""

    flavor_id: str
    flavor_name: str
    vcpus: int
    ram: int
    os_type: str
    architecture: str
    hardware_description: HardwareDescription
    resource_class: str | UnsetType = UNSET

    @classmethod
    def of(cls, flavor: Flavor) -> "InstanceFlavorView":
        """Show a flavor in the shape of its kind; the view of a flavor is made once."""
        kept = _KEPT_VIEWS.get(flavor.id)
        if kept is None or kept[0] is not flavor:
            kept = _KEPT_VIEWS[flavor.id] = (flavor, cls._of_flavor(flavor))
        return kept[1]

    @classmethod
    def _of_flavor(cls, flavor: Flavor) -> "InstanceFlavorView":
        description = flavor.hardware_description
        hardware = {name: description.get(name, "") for name in HARDWARE_FIELDS[flavor.kind]}
        return cls(
            flavor_id=flavor.id,
            flavor_name=flavor.id,
            vcpus=flavor.vcpus,
            ram=flavor.ram,
            os_type=flavor.os_type,
            architecture=flavor.architecture,
            hardware_description=HardwareDescription(**hardware),
            resource_class=UNSET if flavor.kind == InstanceKind.VM else flavor.resource_class or flavor.id,
        )


_KEPT_VIEWS: dict[str, tuple[Flavor, InstanceFlavorView]] = {}
"""Views by the id of their flavor, which is an entry of the catalogue: many instances show few flavors."""


class ListedFlavor(Struct, kw_only=True):
    """A flavor in a list."""

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
        """Show a flavor."""
        return make_view(cls, flavor, flavor_id=flavor.id, flavor_name=flavor.id)


class PricedFlavor(ListedFlavor, kw_only=True):
    """A flavor with its price; the price of a flavor that has none is hidden."""

    currency_code: str | None
    price_per_hour: float | None
    price_per_month: float | None
    price_status: str | None

    @classmethod
    def with_price(cls, flavor: Flavor, currency_code: str) -> "PricedFlavor":
        """Show a flavor with its price."""
        price = prices.flavor_price(flavor)
        return cls(
            **structs.asdict(ListedFlavor.of(flavor)),
            currency_code=currency_code,
            price_per_hour=None if price is None else float(prices.round_to_six_places(price.per_hour)),
            price_per_month=None if price is None else float(prices.round_to_six_places(price.per_month)),
            price_status="hide" if price is None else "show",
        )


PRICE_FIELDS = ("currency_code", "price_per_hour", "price_per_month", "price_status")


class BaremetalFlavor(ListedFlavor, kw_only=True):
    """A flavor of bare metal servers; capacity and price are shown on request."""

    resource_class: str | None
    capacity: int | UnsetType | None = UNSET
    reserved_capacity: int | UnsetType | None = UNSET
    currency_code: str | UnsetType | None = UNSET
    price_per_hour: float | UnsetType | None = UNSET
    price_per_month: float | UnsetType | None = UNSET
    price_status: str | UnsetType | None = UNSET

    @classmethod
    def of(cls, flavor: Flavor) -> "BaremetalFlavor":
        """Show a flavor."""
        return cls(**structs.asdict(ListedFlavor.of(flavor)), resource_class=flavor.resource_class or flavor.id)

    def with_price(self, flavor: Flavor, currency_code: str) -> "BaremetalFlavor":
        """Add the price."""
        priced = PricedFlavor.with_price(flavor, currency_code)
        return structs.replace(self, **{name: getattr(priced, name) for name in PRICE_FIELDS})
