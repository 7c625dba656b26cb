"""Taking an instance off its networks: what is written when its interfaces go."""

from collections.abc import Collection

from msgspec.structs import replace

from pileus.domain.network.floating_ips import Target
from pileus.domain.network.ports import Port
from pileus.store.account import metering
from pileus.store.database import Tx
from pileus.store.network import floating_ips, ports, security_groups


async def remove_interface(  # each is a fact of its own
    tx: Tx, port: Port, now: int, *, lost: Collection[str] = (), freed: Collection[str] = (), lived: bool = True
) -> None:
    """Remove a port, or leave a reserved one to itself; floating IPs lead nowhere then.

    Floating IPs in `lost` and reserved ports in `freed` go too, and their addresses with them. What has not `lived` was
    never used.
    """
    for floating_ip in await floating_ips.of_port(tx, port.id):
        if floating_ip.id in lost:
            await metering.close_usage(tx, [floating_ip] if lived else [], now)
            await floating_ips.remove(tx, floating_ip.id)
        else:
            await floating_ips.save(tx, floating_ip, floating_ip.associated_with(Target(), now))
    if port.reserved and port.id not in freed:
        await security_groups.remove_all_from_port(tx, port.id)
        await ports.save(
            tx, port, replace(port, instance_id=None, position=0, interface_name=None, task_id=None, updated_at=now)
        )
    else:
        await metering.close_usage(tx, [port] if lived else [], now)
        await ports.remove(tx, port.id)
