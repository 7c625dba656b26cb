"""Load balancers: an address that listeners serve, on a pair of machines."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar

from msgspec import Struct
from msgspec.structs import replace

from pileus.domain.load_balancers.parts import BalancingResource


class MemberConnectivity(StrEnum):
    """How a load balancer reaches members that are given by their instances."""

    L2 = "L2"
    L3 = "L3"


class VrrpRole(StrEnum):
    """The roles of the two machines of a load balancer."""

    MASTER = "MASTER"
    BACKUP = "BACKUP"


class LogRetention(Struct, frozen=True):
    """The days for which logs are kept."""

    period: int | None = None


class Logging(Struct, frozen=True):
    """Where the logs of a load balancer go."""

    enabled: bool = False
    destination_region_id: int | None = None
    topic_name: str | None = None
    retention_policy: LogRetention | None = None


class LoadBalancer(BalancingResource, frozen=True, kw_only=True):
    """A load balancer. `flavor_name` is a flavor of the catalogue; `vip_address` is the first of its VIP port.

    `machine_generation` counts how often its machines have been replaced.
    """

    NOUN: ClassVar[str] = "Load balancer"

    name: str
    flavor_name: str
    machine_generation: int = 1
    vip_port_id: str
    vip_address: str
    vip_ip_family: str
    preferred_connectivity: str = MemberConnectivity.L2
    logging: Logging = Logging()

    def patched(self, patch: Mapping[str, Any], now: int) -> "LoadBalancer":
        """Apply a patch of its own fields; tags are stored apart."""
        fields = {name: value for name, value in patch.items() if name != "tags"}
        return replace(self, **fields, updated_at=now)

    def with_new_machines(self, flavor_name: str | None = None) -> "LoadBalancer":
        """Return it with another pair of machines, of another flavor if given."""
        flavor_name = flavor_name or self.flavor_name
        return replace(self, flavor_name=flavor_name, machine_generation=self.machine_generation + 1)
