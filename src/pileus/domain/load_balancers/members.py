"""Members of pools: the addresses and ports that get the traffic."""

from typing import ClassVar

from pileus.domain.load_balancers.parts import LoadBalancerPart


class Member(LoadBalancerPart, frozen=True, kw_only=True):
    """A member of a pool. `backup` members get traffic only when no other one is up."""

    NOUN: ClassVar[str] = "Member"

    pool_id: str
    address: str
    protocol_port: int
    weight: int = 1
    backup: bool = False
    monitor_address: str | None = None
    monitor_port: int | None = None
    subnet_id: str | None = None
    instance_id: str | None = None
