"""The ports of the two machines of a load balancer: each has an address in each subnet that it serves."""

from collections.abc import Iterable

from msgspec.structs import asdict

from pileus.domain.context import Context
from pileus.domain.errors import not_found
from pileus.domain.load_balancers.load_balancers import LoadBalancer, VrrpRole
from pileus.domain.load_balancers.members import Member
from pileus.domain.network.networks import Subnet
from pileus.domain.network.ports import Port, derive_mac_address
from pileus.store.database import Tx
from pileus.store.network import addresses, networks, ports, subnets


async def add_machine_ports(
    tx: Tx, ctx: Context, load_balancer: LoadBalancer, subnets: Iterable[Subnet], task_id: str
) -> None:
    """Save a port for each machine and subnet, with an address. Raises NoCapacity."""
    for subnet in subnets:
        for role in VrrpRole:
            port = await ports.add(tx, _new_port(ctx, load_balancer, subnet.network_id, role, task_id))
            await addresses.allocate(tx, subnet, port_id=port.id)


async def add_ports_for_members(
    tx: Tx, ctx: Context, load_balancer: LoadBalancer, members: Iterable[Member], task_id: str
) -> None:
    """Save ports of the machines in those private subnets of members where they have none. Raises NoCapacity."""
    lines = await ports.list_machine_addresses_of_load_balancer(tx, load_balancer.id)
    served_ids = {line.subnet_id for line in lines}
    for subnet_id in sorted({member.subnet_id for member in members if member.subnet_id is not None} - served_ids):
        subnet = await _require_subnet(tx, ctx, subnet_id)
        if not (await networks.get_for_use(tx, ctx.place, subnet.network_id)).external:
            await add_machine_ports(tx, ctx, load_balancer, [subnet], task_id)


async def _require_subnet(tx: Tx, ctx: Context, subnet_id: str) -> Subnet:
    """Return a subnet that the place may use; nobody deletes it until the transaction ends. Raises NotFound."""
    await subnets.get(tx, ctx.place, subnet_id)
    subnet = await subnets.TABLE.lock_for_use(tx, subnet_id)
    if subnet is None:
        raise not_found(Subnet.NOUN, subnet_id)
    return subnet.require_unlocked()


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
