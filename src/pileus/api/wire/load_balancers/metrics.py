"""Metrics of load balancers as the API shows them."""

from msgspec import Struct

from pileus.api.wire.compute.metrics import TRAFFIC_NAMES
from pileus.api.wire.times import format_zulu
from pileus.drivers.protocols.metrics import MachineSample


class LoadBalancerMetricsSample(Struct, kw_only=True, rename=TRAFFIC_NAMES):
    """A sample of a load balancer: utilization in per cent, bytes and packets per second."""

    time: str
    cpu_util: float | None
    memory_util: float | None
    bytes_out: float | None
    bytes_in: float | None
    packets_out: float | None
    packets_in: float | None

    @classmethod
    def of(cls, sample: MachineSample) -> "LoadBalancerMetricsSample":
        """Return the view of a sample."""
        return cls(
            time=format_zulu(sample.time),
            cpu_util=sample.cpu_util,
            memory_util=sample.memory_util,
            bytes_out=sample.network_bytes_out,
            bytes_in=sample.network_bytes_in,
            packets_out=sample.network_packets_out,
            packets_in=sample.network_packets_in,
        )
