"""The route of the egress IP ranges."""

from litestar import get
from litestar.di import NamedDependency
from msgspec import Struct

from pileus.api.authorization import OPEN
from pileus.api.context import AppState


class EgressIPRanges(Struct, kw_only=True):
    """IPv4 and IPv6 ranges."""

    ranges: list[str]


@get("/cloud/public/v1/ipranges/egress", opt=OPEN, tags=["IP Ranges"])
async def list_egress_ip_ranges(app_state: NamedDependency[AppState]) -> EgressIPRanges:
    """List the egress IP ranges of all regions: traffic from this cloud comes from these addresses."""
    networks = app_state.catalogue.networks
    return EgressIPRanges(ranges=sorted({subnet.cidr for network in networks for subnet in network.subnets}))


ROUTES = [list_egress_ip_ranges]
