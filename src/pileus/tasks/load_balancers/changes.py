"""Change the parts of a load balancer: one operation for all kinds of changes.

The records have the changes when the task starts. The driver gets the load balancer with all of its parts. A failure
restores the parts, in the driver and in the records.
"""

from collections.abc import Iterable

from pileus.domain.load_balancers.load_balancers import LoadBalancer
from pileus.domain.load_balancers.members import Member
from pileus.domain.load_balancers.parts import ProvisioningStatus
from pileus.domain.load_balancers.task_types import ChangePartsArgs
from pileus.domain.load_balancers.trees import LoadBalancerTree, Parts
from pileus.domain.tasks import TaskType, created_resources_by_kind
from pileus.drivers.protocols.load_balancers import LoadBalancerSpec, TlsTexts
from pileus.drivers.protocols.network import NicSpec
from pileus.store.database import Tx
from pileus.store.load_balancers import load_balancers, members, secret_uses, trees
from pileus.store.network import ports, secrets
from pileus.tasks.capabilities import require_load_balancer_support
from pileus.tasks.operation import CreatedResources, Operation, Step, TaskContext


async def load_tree(ctx: TaskContext[object], load_balancer_id: str) -> LoadBalancerTree:
    """Return a load balancer with all of its parts, as they are in the records."""
    async with ctx.db.read() as tx:
        return await trees.load(tx, load_balancer_id)


async def ensure_load_balancer(ctx: TaskContext[object], tree: LoadBalancerTree) -> None:
    """Create or update a load balancer in the driver."""
    driver = require_load_balancer_support(ctx.drivers.require(tree.load_balancer.region_id))
    async with ctx.db.read() as tx:
        vip = await _load_nic(tx, tree.load_balancer.vip_port_id)
        unused_ids = await _list_unused_machine_ports(tx, tree.load_balancer, tree.parts.members)
        machine_ports = await ports.list_machine_ports_of_load_balancer(tx, tree.load_balancer.id)
        machines = [await _load_nic(tx, port.id) for port in machine_ports if port.id not in unused_ids]
        tls = await _load_tls_texts(tx, tree.parts)
    await driver.ensure_load_balancer(LoadBalancerSpec.of(tree, vip, machines, tls))


async def _load_tls_texts(tx: Tx, parts: Parts) -> TlsTexts:
    """Return what listeners and pools need of their secrets."""
    tls = TlsTexts()
    for listener in parts.listeners:
        for secret_id in () if listener.is_pending_delete else listener.secret_ids:
            tls.certificates[secret_id] = (await secrets.require(tx, secret_id)).require_tls_certificate().bundle
    for pool in parts.pools:
        if pool.is_pending_delete:
            continue
        if pool.secret_id:
            secret = await secrets.require(tx, pool.secret_id)
            tls.certificates[pool.secret_id] = secret.require_tls_certificate().bundle
        if pool.ca_secret_id:
            secret = await secrets.require(tx, pool.ca_secret_id)
            tls.authorities[pool.ca_secret_id] = secret.require_authorities()
        if pool.crl_secret_id:
            secret = await secrets.require(tx, pool.crl_secret_id)
            tls.revocation_lists[pool.crl_secret_id] = secret.require_revocation_list()
    return tls


async def _list_unused_machine_ports(tx: Tx, load_balancer: LoadBalancer, parts: Iterable[Member]) -> set[str]:
    """Return the ports of machines in subnets in which neither the address of the load balancer nor a member is."""
    subnet_ids = {line.subnet_id for line in await ports.list_addresses(tx, load_balancer.vip_port_id)}
    subnet_ids |= {member.subnet_id for member in parts if member.subnet_id and not member.is_pending_delete}
    lines = await ports.list_machine_addresses_of_load_balancer(tx, load_balancer.id)
    return {line.port_id for line in lines if line.port_id is not None and line.subnet_id not in subnet_ids}


async def _remove_unused_machine_ports(tx: Tx, load_balancer: LoadBalancer) -> None:
    remaining = await members.list_by_load_balancer(tx, load_balancer.id)
    for port_id in sorted(await _list_unused_machine_ports(tx, load_balancer, remaining)):
        await ports.remove(tx, port_id)


async def _load_nic(tx: Tx, port_id: str) -> NicSpec:
    port = await ports.require(tx, port_id)
    return NicSpec(
        port_id=port.id,
        network_id=port.network_id,
        mac_address=port.mac_address,
        addresses=[address.ip for address in await ports.list_addresses(tx, port.id)],
        secured=port.port_security_enabled,
    )


async def _apply(ctx: TaskContext[ChangePartsArgs]) -> None:
    await ensure_load_balancer(ctx, await load_tree(ctx, ctx.args.load_balancer_id))


async def _revert(ctx: TaskContext[ChangePartsArgs]) -> None:
    tree = await load_tree(ctx, ctx.args.load_balancer_id)
    await ensure_load_balancer(ctx, tree.reverted(ctx.args.previous, ctx.task.id))


async def _save_changed(tx: Tx, ctx: TaskContext[ChangePartsArgs]) -> CreatedResources | None:
    args, task_id = ctx.args, ctx.task.id
    load_balancer = await load_balancers.require(tx, args.load_balancer_id)
    await trees.remove_parts(tx, load_balancer.id, task_id, ProvisioningStatus.PENDING_DELETE)
    await secret_uses.remove_former_uses(tx, args.previous)
    await _remove_unused_machine_ports(tx, load_balancer)
    await trees.unlock(tx, load_balancer, task_id, ctx.now())
    return None if args.created is None else created_resources_by_kind(**args.created)


async def _restore(tx: Tx, ctx: TaskContext[ChangePartsArgs]) -> None:
    args, task_id = ctx.args, ctx.task.id
    load_balancer = await load_balancers.require(tx, args.load_balancer_id)
    await trees.restore_parts(tx, args.previous)
    await trees.remove_parts(tx, load_balancer.id, task_id, ProvisioningStatus.PENDING_CREATE)
    await _remove_unused_machine_ports(tx, load_balancer)
    await trees.unlock(tx, load_balancer, task_id, ctx.now())


def change_operation(task_type: TaskType[ChangePartsArgs]) -> Operation[ChangePartsArgs]:
    """Return the operation of a task that changes parts of a load balancer."""
    steps = (Step("update the load balancer", _apply, undo=_revert),)
    return Operation(task_type, steps=steps, done=_save_changed, failed=_restore)
