"""Networks, routers, floating IPs and security groups of a project that is being deleted.

They are taken away, or brought back if it stays.
"""

from pileus.drivers.protocols.compute import FloatingIPs, Networks, NetworkSpec, Routers, SecurityGroups, SubnetSpec
from pileus.store import project_contents
from pileus.store.network import networks, router_interfaces, routers, security_groups, subnets
from pileus.tasks.network.router_sync import add_interfaces, internal_interfaces, router_spec
from pileus.tasks.network.security_group_sync import apply_security_group
from pileus.tasks.operation import TaskContext


async def remove_routers(work: TaskContext) -> None:
    """Take every router away."""
    if isinstance(work.driver, Routers):
        for router_id in await _ids(work, "routers"):
            await work.driver.ensure_no_router(router_id)


async def make_routers(work: TaskContext) -> None:
    """Bring them back, with all that they join."""
    if not isinstance(work.driver, Routers):
        return
    async with work.db.scan() as tx:
        found = await routers.TABLE.find(tx, project_contents.OWN, project_id=work.task.args["project_id"])
        legs = await router_interfaces.of_each(tx, [router.id for router in found])
    for router in found:
        await work.driver.ensure_router(router_spec(router, legs[router.id]))
        await add_interfaces(work, internal_interfaces(legs[router.id]))


async def remove_networks(work: TaskContext) -> None:
    """Take every network away."""
    if isinstance(work.driver, Networks):
        for network_id in await _ids(work, "networks"):
            await work.driver.ensure_no_network(network_id)


async def make_networks(work: TaskContext) -> None:
    """Bring them back, with their subnets."""
    if not isinstance(work.driver, Networks):
        return
    async with work.db.scan() as tx:
        found = await networks.TABLE.find(tx, project_contents.OWN, project_id=work.task.args["project_id"])
        ranges = await subnets.of_each(tx, [network.id for network in found])
    for network in found:
        await work.driver.ensure_network(NetworkSpec.of(network))
        for subnet in ranges[network.id]:
            await work.driver.ensure_subnet(SubnetSpec.of(subnet))


async def remove_security_groups(work: TaskContext) -> None:
    """Take every security group away, and let every floating IP lead nowhere."""
    if isinstance(work.driver, FloatingIPs):
        for floating_ip_id in await _ids(work, "floating_ips"):
            await work.driver.ensure_no_floating_ip(floating_ip_id)
    if isinstance(work.driver, SecurityGroups):
        for group_id in await _ids(work, "security_groups"):
            await work.driver.ensure_no_security_group(group_id)


async def restore_security_groups(work: TaskContext) -> None:
    """Bring security groups back; the machines that floating IPs led to are gone."""
    async with work.db.scan() as tx:
        found = await security_groups.TABLE.find(tx, project_contents.OWN, project_id=work.task.args["project_id"])
        rules = await security_groups.rules_of_each(tx, [group.id for group in found])
    for group in found:
        await apply_security_group(work, group, rules[group.id])


async def _ids(work: TaskContext, table: str) -> list[str]:
    async with work.db.scan() as tx:
        return await project_contents.ids(tx, table, work.task.args["project_id"])
