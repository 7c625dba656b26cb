"""The ports of the two machines of a load balancer: each has an address in each subnet that it serves."""

from collections.abc import Iterable

from msgspec.structs import asdict

from pileus.domain.context import Context
from pileus.domain.load_balancers.load_balancers import LoadBalancer, VrrpRole
from pileus.domain.network.networks import Subnet
from pileus.domain.network.ports import Port, derive_mac_address
from pileus.store.database import Tx
from pileus.store.network import addresses, ports


async def add_machine_ports(
    tx: Tx, ctx: Context, load_balancer: LoadBalancer, subnets: Iterable[Subnet], task_id: str
) -> None:
    """Save a port for each machine and subnet, with an address. Raises NoCapacity."""
    for subnet in subnets:
        for role in VrrpRole:
            port = await ports.add(tx, _new_port(ctx, load_balancer, subnet.network_id, role, task_id))
            await addresses.allocate(tx, subnet, port_id=port.id)


def _new_port(ctx: Context, load_balancer: LoadBalancer, network_id: str, role: VrrpRole, task_id: str) -> Port:
    """Return a port of a machine. It is never `external`, because tenants do not pay for its address."""
    port_id, now = ctx.new_id(), ctx.now()
    return Port(
        id=port_id,
        **asdict(load_balancer.place),
        network_id=network_id,
        load_balancer_id=load_balancer.id,
        vrrp_role=role.value,
        name=f"load-balancer-{role.lower()}",
        mac_address=derive_mac_address(port_id),
        port_security_enabled=False,
        creator_task_id=task_id,
        created_at=now,
        updated_at=now,
    )
