"""The addresses from which this cloud speaks to the world: for other people's allow lists."""

from litestar import get
from litestar.di import NamedDependency
from msgspec import Struct

from pileus.api.auth import OPEN
from pileus.api.context import AppState


class IPRanges(Struct, kw_only=True):
    """Ranges of addresses of both families."""

    ranges: list[str]


@get("/cloud/public/v1/ipranges/egress", opt=OPEN, tags=["IP Ranges"])
async def list_egress_ip_ranges(cloud: NamedDependency[AppState]) -> IPRanges:
    """List the ranges of all external networks, in every region: what comes from here has one of their addresses."""
    networks = cloud.catalogue.networks
    return IPRanges(ranges=sorted({subnet.cidr for network in networks for subnet in network.subnets}))


ROUTES = [list_egress_ip_ranges]
