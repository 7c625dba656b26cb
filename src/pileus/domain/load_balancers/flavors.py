"""Flavors of load balancers: the size of their machines."""

from decimal import Decimal
from typing import Annotated

from msgspec import Meta, Struct

from pileus.domain.ids import derive_catalogue_id


class LoadBalancerFlavor(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A flavor of load balancers; `ram` is in MiB. Without a price it costs nothing."""

    name: Annotated[str, Meta(min_length=1, max_length=255)]
    vcpus: Annotated[int, Meta(ge=1)]
    ram: Annotated[int, Meta(ge=1)]
    price_per_hour: Decimal = Decimal(0)

    @property
    def id(self) -> str:
        """The id, derived from the name."""
        return derive_catalogue_id(f"load_balancer_flavor/{self.name}")
