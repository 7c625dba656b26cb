"""The load balancers of the simulated cloud: their specifications, and the made-up traffic of their listeners."""

import msgspec
from msgspec.structs import replace

from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.load_balancers import BalancedTraffic, LoadBalancerSpec, TlsTexts
from pileus.drivers.protocols.metrics import MachineSample
from pileus.drivers.simulated.balanced_traffic import TrafficByListener, switched_traffic
from pileus.drivers.simulated.metrics import sample_times, simulate_machine_samples
from pileus.drivers.simulated.networks import PartKind, SimulatedNetworks


class SimulatedLoadBalancers(SimulatedNetworks):
    """Fulfils `SupportsLoadBalancers`."""

    async def ensure_load_balancer(self, load_balancer: LoadBalancerSpec) -> None:
        """Create or update a load balancer with all of its parts. Its secrets are not stored."""
        spec = replace(load_balancer, tls=TlsTexts())
        traffic = switched_traffic(await self._find_traffic(spec.id), spec, self._now())
        text = msgspec.json.encode(traffic).decode()
        await self.save_part(PartKind.LOAD_BALANCER, spec.id, spec, "load_balancer", traffic=text)

    async def ensure_no_load_balancer(self, load_balancer_id: str) -> None:
        """Delete a load balancer."""
        await self.remove_part(PartKind.LOAD_BALANCER, load_balancer_id)

    async def traffic_by_listener_id(self, load_balancer_id: str) -> dict[str, BalancedTraffic]:
        """Return made-up counters, which rise on the clock of the cloud while a listener has a member."""
        traffic, now = await self._find_traffic(load_balancer_id), self._now()
        return {listener_id: record.counters(listener_id, now) for listener_id, record in traffic.items()}

    async def load_balancer_samples(
        self, load_balancer_id: str, since: int, until: int, max_count: int
    ) -> list[MachineSample]:
        """Return made-up samples: a daily wave for each load balancer. Raises DriverError if it does not exist."""
        load_balancer = await self.find_load_balancer(load_balancer_id)
        if load_balancer is None:
            raise DriverError(f"Load balancer {load_balancer_id} does not exist", retryable=False)
        times = sample_times(since, until, max_count)
        return simulate_machine_samples(load_balancer_id, times, 0, running=load_balancer.admin_state_up)

    async def find_load_balancer(self, load_balancer_id: str) -> LoadBalancerSpec | None:
        """Return a load balancer."""
        return await self.find_spec(PartKind.LOAD_BALANCER, load_balancer_id, LoadBalancerSpec)

    async def _find_traffic(self, load_balancer_id: str) -> TrafficByListener:
        part = await self.find_part(PartKind.LOAD_BALANCER, load_balancer_id)
        return msgspec.json.decode(part.traffic, type=TrafficByListener) if part and part.traffic else {}
