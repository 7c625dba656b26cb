"""convert_floating_ip and convert_reserved_fixed_ip: let a public address go on as the other of the two.

Arguments: `floating_ip_id` or `port_id`, what is converted; `new_id`, the id of what comes of it. Neither is plugged in
anywhere, so that the driver has nothing to do; the address never is free in between.
"""

from msgspec.structs import replace

from pileus.domain.network.floating_ips import FloatingIP
from pileus.domain.network.ports import AssignedAddress, Port, mac_address
from pileus.domain.tasks import created_resources
from pileus.store.account import metering
from pileus.store.database import Tx
from pileus.store.network import floating_ips, networks, ports
from pileus.tasks.network.floating_ip_sync import floating_ip_of
from pileus.tasks.network.interface_sync import port_of
from pileus.tasks.operation import Created, Operation, TaskContext


async def _reserved(tx: Tx, work: TaskContext) -> Created | None:
    floating_ip, now = await floating_ip_of(tx, work), work.now()
    subnet_id, network_id = await networks.of_floating_ip(tx, floating_ip.id)
    await metering.close_usage(tx, [floating_ip], now)
    await floating_ips.remove(tx, floating_ip.id)
    port = Port(
        id=work.task.args["new_id"],
        client_id=floating_ip.client_id,
        project_id=floating_ip.project_id,
        region_id=floating_ip.region_id,
        network_id=network_id,
        mac_address=mac_address(work.task.args["new_id"]),
        creator_task_id=work.task.id,
        created_at=now,
        updated_at=now,
    )
    ip = floating_ip.floating_ip_address
    await ports.add(tx, port.as_reserved([ip]))
    await ports.assign(tx, AssignedAddress(subnet_id=subnet_id, ip=ip, port_id=port.id))
    return created_resources(ports=[port.id])


async def _floating_kept(tx: Tx, work: TaskContext) -> None:
    floating_ip = await floating_ip_of(tx, work)
    await floating_ips.save(tx, floating_ip, replace(floating_ip, task_id=None))


async def _floating(tx: Tx, work: TaskContext) -> Created | None:
    port, now = await port_of(tx, work), work.now()
    (line,) = await ports.addresses_of(tx, port.id)
    await metering.close_usage(tx, [port], now)
    await ports.remove(tx, port.id)
    floating_ip = FloatingIP(
        id=work.task.args["new_id"],
        client_id=port.client_id,
        project_id=port.project_id,
        region_id=port.region_id,
        floating_ip_address=line.ip,
        creator_task_id=work.task.id,
        created_at=now,
        updated_at=now,
    )
    await floating_ips.add(tx, floating_ip)
    await ports.assign(tx, AssignedAddress(subnet_id=line.subnet_id, ip=line.ip, floating_ip_id=floating_ip.id))
    return created_resources(floatingips=[floating_ip.id])


async def _reserved_kept(tx: Tx, work: TaskContext) -> None:
    port = await port_of(tx, work)
    await ports.save(tx, port, replace(port, task_id=None))


CONVERT_ADDRESS = (
    Operation("convert_floating_ip", (), _reserved, _floating_kept),
    Operation("convert_reserved_fixed_ip", (), _floating, _reserved_kept),
)
