"""Members of pools: the addresses and ports that get the traffic."""

from typing import ClassVar

from msgspec.structs import replace

from pileus.domain.load_balancers.parts import LoadBalancerPart


class Member(LoadBalancerPart, frozen=True, kw_only=True):
    """A member of a pool. `backup` members get traffic only when no other one is up.

    The last outage is the last time in which an injected fault kept the member from answering; it lasts while it has no
    end.
    """

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
    outage_began_at: int | None = None
    outage_ended_at: int | None = None

    @property
    def is_failing(self) -> bool:
        """Return whether an injected fault keeps the member from answering."""
        return self.outage_began_at is not None and self.outage_ended_at is None

    def with_reachability(self, now: int, *, reachable: bool) -> "Member":
        """Begin or end an outage by an injected fault; a second beginning or end changes nothing."""
        if reachable:
            return replace(self, outage_ended_at=now) if self.is_failing else self
        return self if self.is_failing else replace(self, outage_began_at=now, outage_ended_at=None)
