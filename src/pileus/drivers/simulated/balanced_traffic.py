"""Made-up counters of listeners: each follows a daily wave of its own, as long as it has a member."""

from collections.abc import Iterable

from msgspec import Struct

from pileus.drivers.protocols.load_balancers import BalancedTraffic, ListenerSpec, LoadBalancerSpec
from pileus.drivers.simulated.metrics import count_full_seconds, wave_at

CONNECTIONS_PER_SECOND, SECONDS_PER_CONNECTION = 4, 2
BYTES_IN, BYTES_OUT = 900, 14_000
"""Bytes of a connection."""
CONNECTIONS_PER_ERROR = 500


class ListenerTraffic(Struct, frozen=True, kw_only=True):
    """What a listener has carried until its last change, in seconds of full load, and since when it carries traffic."""

    carried: float = 0.0
    since: int | None = None

    def switched(self, listener_id: str, now: int, *, carries: bool) -> "ListenerTraffic":
        """Return the traffic from now on."""
        if carries == (self.since is not None):
            return self
        return ListenerTraffic(carried=self.carried_until(listener_id, now), since=now if carries else None)

    def carried_until(self, listener_id: str, now: int) -> float:
        """Return what the listener has carried. The clock of a simulated cloud can be set back."""
        if self.since is None or now < self.since:
            return self.carried
        return self.carried + count_full_seconds(listener_id, self.since, now)

    def counters(self, listener_id: str, now: int) -> BalancedTraffic:
        """Return the counters, which are the same for every caller."""
        total = int(self.carried_until(listener_id, now) * CONNECTIONS_PER_SECOND)
        load = 0.0 if self.since is None else wave_at(now, listener_id)
        return BalancedTraffic(
            active_connections=round(load * CONNECTIONS_PER_SECOND * SECONDS_PER_CONNECTION),
            total_connections=total,
            bytes_in=total * BYTES_IN,
            bytes_out=total * BYTES_OUT,
            request_errors=total // CONNECTIONS_PER_ERROR,
        )


TrafficByListener = dict[str, ListenerTraffic]


def switched_traffic(traffic: TrafficByListener, spec: LoadBalancerSpec, now: int) -> TrafficByListener:
    """Return the traffic of the listeners that a load balancer has now."""
    return {
        listener.id: traffic.get(listener.id, ListenerTraffic()).switched(
            listener.id, now, carries=leads_to_member(listener, spec)
        )
        for listener in spec.listeners
    }


def leads_to_member(listener: ListenerSpec, spec: LoadBalancerSpec) -> bool:
    """Return whether a listener has a member that gets traffic, by its default pool or by an L7 policy."""
    if not (spec.admin_state_up and listener.admin_state_up):
        return False
    pool_ids = {listener.default_pool_id, *_redirect_pool_ids(listener, spec)}
    running_ids = {pool.id for pool in spec.pools if pool.admin_state_up and pool.id in pool_ids}
    return any(member.pool_id in running_ids and member.admin_state_up for member in spec.members)


def _redirect_pool_ids(listener: ListenerSpec, spec: LoadBalancerSpec) -> Iterable[str | None]:
    policies = (policy for policy in spec.l7_policies if policy.listener_id == listener.id and policy.admin_state_up)
    return (policy.redirect_pool_id for policy in policies)
