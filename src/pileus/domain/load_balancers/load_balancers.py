"""Load balancers: an address that listeners serve, on a pair of machines."""

from enum import StrEnum
from typing import ClassVar

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

    def renamed(self, name: str, now: int) -> "LoadBalancer":
        """Set the name."""
        return replace(self, name=name, updated_at=now)
