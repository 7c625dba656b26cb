"""Floating IPs in lists, with what they are assigned to."""

from pileus.api.wire.compute.instances import InstanceView
from pileus.api.wire.load_balancers.load_balancers import LoadBalancerView
from pileus.api.wire.network.floating_ips import FloatingIPView


class ListedFloatingIPView(FloatingIPView, kw_only=True):
    """A floating IP with its instance or its load balancer; the other is null."""

    instance: InstanceView | None
    loadbalancer: LoadBalancerView | None
