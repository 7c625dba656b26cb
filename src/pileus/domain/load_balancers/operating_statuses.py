"""Operating statuses: of members by their health monitor, and of what is above them."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from pileus.domain.compute.instances import Status
from pileus.domain.load_balancers.health_monitors import HealthMonitor
from pileus.domain.load_balancers.members import Member
from pileus.domain.load_balancers.parts import BalancingResource, OperatingStatus, ProvisioningStatus

SECOND = 1_000_000
"""Microseconds."""
SEVERITIES = (OperatingStatus.ERROR, OperatingStatus.DEGRADED)
"""The statuses of a pool that its load balancer has as well, the worst one first."""


class Outage(Struct, frozen=True, kw_only=True):
    """A time in which a member does not answer. It lasts while it has no end. Times are microseconds since 1970."""

    began_at: int
    ended_at: int | None = None


class MemberTarget(Struct, frozen=True, kw_only=True):
    """What answers the checks of a member: the instance at the address that its monitor checks, if it is one.

    `is_missing` says that nothing has the address in the subnet, or that the instance is gone.
    """

    member_id: str
    is_missing: bool = False
    status: str | None = None
    isolated: bool | None = False
    changed_at: int | None = None
    outage_began_at: int | None = None
    outage_ended_at: int | None = None

    @property
    def outages(self) -> list[Outage]:
        """The last time in which nothing answered."""
        if self.is_missing:
            return [Outage(began_at=0)]
        if self.status is None:
            return []
        began_at = self.outage_began_at
        if self.status != Status.ACTIVE or self.isolated:
            return [Outage(began_at=began_at or self.changed_at or 0)]
        return [] if began_at is None else [Outage(began_at=began_at, ended_at=self.outage_ended_at or began_at)]


def outages_of_member(member: Member) -> list[Outage]:
    """Return the last time in which an injected fault kept a member from answering."""
    began_at = member.outage_began_at
    return [] if began_at is None else [Outage(began_at=began_at, ended_at=member.outage_ended_at)]


def member_status(
    member: Member, monitor: HealthMonitor | None, outages: Iterable[Outage], now: int
) -> OperatingStatus:
    """Return the status of a member of a pool with this monitor."""
    if not _is_working(member):
        return OperatingStatus.OFFLINE
    if monitor is None or not _is_working(monitor):
        return OperatingStatus.NO_MONITOR
    since = max(member.created_at, monitor.created_at)
    has_failed = any(_is_noticed(outage, monitor, since, now) for outage in outages)
    return OperatingStatus.ERROR if has_failed else OperatingStatus.ONLINE


def observed_member_status(member: Member, monitor: HealthMonitor | None, observed: str | None) -> OperatingStatus:
    """Return the status of a member that the driver has observed; without an observation it is OFFLINE."""
    status = member_status(member, monitor, [], 0)
    return OperatingStatus(observed or OperatingStatus.OFFLINE) if status == OperatingStatus.ONLINE else status


def pool_status(pool: BalancingResource, members: Iterable[OperatingStatus], *, serves: bool) -> OperatingStatus:
    """Return the status of a pool from those of its members; `serves` says whether a running listener uses it."""
    if not serves or not _is_working(pool):
        return OperatingStatus.OFFLINE
    statuses = [status for status in members if status != OperatingStatus.OFFLINE]
    failed_count = statuses.count(OperatingStatus.ERROR)
    if not failed_count:
        return OperatingStatus.ONLINE
    return OperatingStatus.ERROR if failed_count == len(statuses) else OperatingStatus.DEGRADED


def load_balancer_status(load_balancer: BalancingResource, pools: Sequence[OperatingStatus]) -> OperatingStatus:
    """Return the status of a load balancer: the worst one of its pools."""
    if not _is_working(load_balancer):
        return OperatingStatus.OFFLINE
    return next((status for status in SEVERITIES if status in pools), OperatingStatus.ONLINE)


def part_status(part: BalancingResource) -> OperatingStatus:
    """Return the status of a listener, a health monitor, an L7 policy or an L7 rule."""
    return OperatingStatus.ONLINE if _is_working(part) else OperatingStatus.OFFLINE


def _is_working(part: BalancingResource) -> bool:
    return part.admin_state_up and part.provisioning_status != ProvisioningStatus.PENDING_CREATE


def _is_noticed(outage: Outage, monitor: HealthMonitor, since: int, now: int) -> bool:
    """Return whether a monitor has seen the outage in so many checks, and not yet so many after its end."""
    noticed_at = max(outage.began_at, since) + monitor.max_retries_down * monitor.delay * SECOND
    if outage.ended_at is None:
        return now >= noticed_at
    return outage.ended_at >= noticed_at and now < outage.ended_at + monitor.max_retries * monitor.delay * SECOND
