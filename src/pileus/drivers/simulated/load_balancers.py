"""The load balancers of the simulated cloud: only their specifications are stored, as no traffic is carried."""

from pileus.drivers.protocols.load_balancers import LoadBalancerSpec
from pileus.drivers.simulated.networks import PartKind, SimulatedNetworks


class SimulatedLoadBalancers(SimulatedNetworks):
    """Fulfils `SupportsLoadBalancers`."""

    async def ensure_load_balancer(self, load_balancer: LoadBalancerSpec) -> None:
        """Create or update a load balancer with all of its parts."""
        await self.save_part(PartKind.LOAD_BALANCER, load_balancer.id, load_balancer, "load_balancer")

    async def ensure_no_load_balancer(self, load_balancer_id: str) -> None:
        """Delete a load balancer."""
        await self.remove_part(PartKind.LOAD_BALANCER, load_balancer_id)

    async def find_load_balancer(self, load_balancer_id: str) -> LoadBalancerSpec | None:
        """Return a load balancer."""
        return await self.find_spec(PartKind.LOAD_BALANCER, load_balancer_id, LoadBalancerSpec)
