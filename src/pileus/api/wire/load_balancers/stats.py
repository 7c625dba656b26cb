"""Counters of traffic as the API shows them."""

from msgspec import Struct

from pileus.api.wire.common import make_view
from pileus.drivers.protocols.load_balancers import BalancedTraffic


class StatsView(Struct, kw_only=True):
    """The traffic of a listener, or of all listeners of a load balancer."""

    active_connections: int
    bytes_in: int
    bytes_out: int
    request_errors: int
    total_connections: int

    @classmethod
    def of(cls, traffic: BalancedTraffic) -> "StatsView":
        """Return the view of counters."""
        return make_view(cls, traffic)
