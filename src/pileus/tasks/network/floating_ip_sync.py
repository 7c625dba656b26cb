"""What tasks tell the driver of floating IPs."""

from collections.abc import Iterable

from pileus.domain.network.floating_ips import FloatingIP, Target
from pileus.drivers.protocols.compute import DriverError, FloatingIPs, FloatingIPSpec
from pileus.store.database import Tx
from pileus.store.network import floating_ips
from pileus.tasks.operation import TaskContext
from pileus.tasks.records import record_of_task


async def floating_ip_of(tx: Tx, work: TaskContext) -> FloatingIP:
    """The floating IP that the task is about; raises NotFound."""
    return await record_of_task(tx, work, "floating_ip_id", "Floating IP", floating_ips.find)


async def associate(work: TaskContext, floating_ip: FloatingIP, target: Target) -> None:
    """Let a floating IP lead there, or nowhere."""
    if target.port_id is None or target.fixed_ip_address is None:
        await _leader(work).ensure_no_floating_ip(floating_ip.id)
        return
    leading = FloatingIPSpec(
        id=floating_ip.id,
        region_id=floating_ip.region_id,
        ip_address=floating_ip.floating_ip_address,
        port_id=target.port_id,
        fixed_ip_address=target.fixed_ip_address,
    )
    await _leader(work).ensure_floating_ip(leading)


async def associate_all(work: TaskContext, found: Iterable[FloatingIP]) -> None:
    """Let each lead where its record says."""
    for floating_ip in found:
        await associate(work, floating_ip, floating_ip.target)


async def disassociate_all(work: TaskContext, found: Iterable[FloatingIP]) -> None:
    """Let each lead nowhere."""
    for floating_ip in found:
        await associate(work, floating_ip, Target())


def _leader(work: TaskContext) -> FloatingIPs:
    if not isinstance(work.driver, FloatingIPs):
        raise DriverError("This cloud's driver has no floating IPs", retryable=False)
    return work.driver
