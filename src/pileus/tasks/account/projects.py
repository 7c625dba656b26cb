"""Delete projects with everything in them.

What has been deleted is not restored: after a failure the project stays with what is left in it, and can be deleted
again. Instances without a machine, and volumes, images and snapshots whose deletion had begun, are then in error; DDoS
profiles that were removed are inactive. Networks, routers, security groups and load balancers are restored, and the
floating IPs that are not assigned to instances.
"""

from functools import partial

from msgspec.structs import replace

from pileus.domain.account.task_types import DELETE_PROJECT, DeleteProjectArgs
from pileus.domain.compute.images import ImageStatus
from pileus.domain.compute.instances import Status
from pileus.domain.storage.file_shares import FileShareStatus
from pileus.domain.storage.volumes import SnapshotStatus, VolumeStatus
from pileus.drivers.protocols.compute import Compute
from pileus.drivers.protocols.images import SupportsImages
from pileus.drivers.protocols.load_balancers import SupportsLoadBalancers
from pileus.drivers.protocols.network import (
    FloatingIPSpec,
    NetworkSpec,
    SubnetSpec,
    SupportsDdosProtection,
    SupportsFloatingIPs,
    SupportsNetworks,
    SupportsRouters,
    SupportsSecurityGroups,
)
from pileus.drivers.protocols.storage import SupportsFileShares, SupportsSnapshots, SupportsVolumes
from pileus.store import project_contents
from pileus.store.account import metering, projects
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.network import (
    ddos_profiles,
    floating_ips,
    networks,
    ports,
    router_interfaces,
    routers,
    security_groups,
    subnets,
)
from pileus.tasks.load_balancers.changes import ensure_load_balancer, load_tree
from pileus.tasks.network.floating_ips import floating_ip_spec
from pileus.tasks.network.routers import add_interfaces, internal_interfaces, router_spec
from pileus.tasks.network.security_groups import apply_group
from pileus.tasks.operation import Operation, Step, TaskContext

ProjectContext = TaskContext[DeleteProjectArgs]


async def _destroy_machines(ctx: ProjectContext) -> None:
    for driver, instance_id in await _list_with_drivers(ctx, "instances"):
        await driver.ensure_no_machine(instance_id)
        await ctx.write(partial(_save_machine_gone, ctx, instance_id))


async def _save_machine_gone(ctx: ProjectContext, instance_id: str, tx: Tx) -> None:
    if instance := await instances.find(tx, instance_id):
        await instances.save(tx, instance, instance.with_status(Status.DELETED, ctx.now()))


async def _destroy_load_balancers(ctx: ProjectContext) -> None:
    for driver, load_balancer_id in await _list_with_drivers(ctx, "load_balancers"):
        if isinstance(driver, SupportsLoadBalancers):
            await driver.ensure_no_load_balancer(load_balancer_id)


async def _restore_load_balancers(ctx: ProjectContext) -> None:
    """Restore the load balancers, and the floating IPs that are assigned to ports without an instance."""
    for driver, load_balancer_id in await _list_with_drivers(ctx, "load_balancers"):
        if isinstance(driver, SupportsLoadBalancers):
            await ensure_load_balancer(ctx, await load_tree(ctx, load_balancer_id))
    for spec in await _list_floating_ips_without_machine(ctx):
        driver = ctx.drivers.require(spec.region_id)
        if isinstance(driver, SupportsFloatingIPs):
            await driver.ensure_floating_ip(spec)


async def _list_floating_ips_without_machine(ctx: ProjectContext) -> list[FloatingIPSpec]:
    """Return the assigned floating IPs of the project, but not those of instances."""
    async with ctx.db.scan() as tx:
        existing_ports = await project_contents.list_records(tx, ports.TABLE, ctx.args.project_id)
        port_ids = {port.id for port in existing_ports if port.instance_id is None}
        assigned = [
            floating_ip
            for floating_ip in await project_contents.list_records(tx, floating_ips.TABLE, ctx.args.project_id)
            if floating_ip.port_id in port_ids
        ]
        specs = [await floating_ip_spec(tx, floating_ip, floating_ip.target) for floating_ip in assigned]
    return [spec for spec in specs if spec is not None]


async def _destroy_snapshots(ctx: ProjectContext) -> None:
    for driver, snapshot_id in await _list_with_drivers(ctx, "snapshots"):
        if isinstance(driver, SupportsSnapshots):
            await _set_status(ctx, "snapshots", snapshot_id, SnapshotStatus.DELETING)
            await driver.ensure_no_snapshot(snapshot_id)


async def _destroy_volumes(ctx: ProjectContext) -> None:
    for driver, volume_id in await _list_with_drivers(ctx, "volumes"):
        if isinstance(driver, SupportsVolumes):
            await _set_status(ctx, "volumes", volume_id, VolumeStatus.DELETING)
            await driver.ensure_no_volume(volume_id)


async def _destroy_file_shares(ctx: ProjectContext) -> None:
    for driver, share_id in await _list_with_drivers(ctx, "file_shares"):
        if isinstance(driver, SupportsFileShares):
            await _set_status(ctx, "file_shares", share_id, FileShareStatus.DELETING)
            await driver.ensure_no_file_share(share_id)


async def _destroy_images(ctx: ProjectContext) -> None:
    for driver, image_id in await _list_with_drivers(ctx, "images"):
        if isinstance(driver, SupportsImages):
            await _set_status(ctx, "images", image_id, ImageStatus.DELETING)
            await driver.ensure_no_image(image_id)


async def _destroy_security_groups(ctx: ProjectContext) -> None:
    """Destroy the security groups, and unassign the floating IPs."""
    for driver, floating_ip_id in await _list_with_drivers(ctx, "floating_ips"):
        if isinstance(driver, SupportsFloatingIPs):
            await driver.ensure_no_floating_ip(floating_ip_id)
    for driver, group_id in await _list_with_drivers(ctx, "security_groups"):
        if isinstance(driver, SupportsSecurityGroups):
            await driver.ensure_no_security_group(group_id)


async def _restore_security_groups(ctx: ProjectContext) -> None:
    """Restore the security groups; the floating IPs follow when the load balancers exist again."""
    async with ctx.db.scan() as tx:
        groups = await project_contents.list_records(tx, security_groups.TABLE, ctx.args.project_id)
        rules = await security_groups.list_rules_by_group(tx, [group.id for group in groups])
    for group in groups:
        if group.region_id not in ctx.drivers.remote_region_ids:
            traffic = [rule.as_new_rule for rule in rules[group.id]]
            await apply_group(ctx.drivers.require(group.region_id), group, traffic)


async def _destroy_routers(ctx: ProjectContext) -> None:
    for driver, router_id in await _list_with_drivers(ctx, "routers"):
        if isinstance(driver, SupportsRouters):
            await driver.ensure_no_router(router_id)


async def _restore_routers(ctx: ProjectContext) -> None:
    async with ctx.db.scan() as tx:
        existing = await project_contents.list_records(tx, routers.TABLE, ctx.args.project_id)
        interfaces = await router_interfaces.list_by_routers(tx, [router.id for router in existing])
    for router in existing:
        driver = ctx.drivers.require(router.region_id)
        if isinstance(driver, SupportsRouters):
            await driver.ensure_router(router_spec(router, interfaces[router.id]))
            await add_interfaces(driver, internal_interfaces(interfaces[router.id]))


async def _destroy_networks(ctx: ProjectContext) -> None:
    for driver, network_id in await _list_with_drivers(ctx, "networks"):
        if isinstance(driver, SupportsNetworks):
            await driver.ensure_no_network(network_id)


async def _restore_networks(ctx: ProjectContext) -> None:
    async with ctx.db.scan() as tx:
        existing = await project_contents.list_records(tx, networks.TABLE, ctx.args.project_id)
        subnets_by_network = await subnets.list_by_networks(tx, [network.id for network in existing])
    for network in existing:
        driver = ctx.drivers.require(network.region_id)
        if isinstance(driver, SupportsNetworks):
            await driver.ensure_network(NetworkSpec.of(network))
            for subnet in subnets_by_network[network.id]:
                await driver.ensure_subnet(SubnetSpec.of(subnet))


async def _unprotect_addresses(ctx: ProjectContext) -> None:
    async with ctx.db.scan() as tx:
        profiles = await project_contents.list_records(tx, ddos_profiles.TABLE, ctx.args.project_id)
    for profile in profiles:
        driver = ctx.drivers.require(profile.region_id)
        if isinstance(driver, SupportsDdosProtection):
            await driver.ensure_no_ddos_protection(profile.region_id, profile.ip_address)
            await ctx.write(partial(_save_profile_inactive, profile.id))


async def _save_profile_inactive(profile_id: int, tx: Tx) -> None:
    if profile := await ddos_profiles.find(tx, profile_id):
        await ddos_profiles.save(tx, profile, replace(profile, active=False))


async def _set_status(ctx: ProjectContext, table: str, resource_id: str, status: str) -> None:
    await ctx.write(lambda tx: project_contents.set_status(tx, table, resource_id, status))


async def _list_with_drivers(ctx: ProjectContext, table: str) -> list[tuple[Compute, str]]:
    """Return the ids of what the project has in a table, each with the driver of its region.

    In regions of other servers the project has nothing but default security groups, which stay in the driver.
    """
    async with ctx.db.scan() as tx:
        regions_and_ids = await project_contents.list_regions_and_ids(tx, table, ctx.args.project_id)
    return [
        (ctx.drivers.require(region_id), resource_id)
        for region_id, resource_id in regions_and_ids
        if region_id not in ctx.drivers.remote_region_ids
    ]


async def _remove_project(tx: Tx, ctx: ProjectContext) -> None:
    project = await projects.TABLE.lock(tx, ctx.args.project_id)
    project_id = project.id
    await project_contents.check_no_other_task(tx, project_id, ctx.task.id)
    await metering.save_project_usage_until_now(tx, project_id, ctx.now())
    await project_contents.remove(tx, project_id)
    await projects.save(tx, project, project.deleted(ctx.now()))


async def _save_deletion_failed(tx: Tx, ctx: ProjectContext) -> None:
    project_id = ctx.args.project_id
    for instance in await project_contents.list_records(tx, instances.TABLE, project_id, Status.DELETED):
        await instances.save(tx, instance, instance.with_status(Status.ERROR, ctx.now()))
    for table, before, after in (
        ("volumes", VolumeStatus.DELETING, VolumeStatus.ERROR_DELETING),
        ("file_shares", FileShareStatus.DELETING, FileShareStatus.ERROR_DELETING),
        ("images", ImageStatus.DELETING, ImageStatus.ERROR),
        ("snapshots", SnapshotStatus.DELETING, SnapshotStatus.ERROR_DELETING),
    ):
        await project_contents.set_status_of_all(tx, table, project_id, before, after)
    await project_contents.unlock(tx, project_id, ctx.task.id)
    project = await projects.get_by_id(tx, project_id)
    await projects.save(tx, project, project.deletion_failed())


OPERATIONS = (
    Operation(
        DELETE_PROJECT,
        steps=(
            Step("delete instances", _destroy_machines),
            Step("delete load balancers", _destroy_load_balancers, undo=_restore_load_balancers),
            Step("delete snapshots", _destroy_snapshots),
            Step("delete volumes", _destroy_volumes),
            Step("delete file shares", _destroy_file_shares),
            Step("delete security groups", _destroy_security_groups, undo=_restore_security_groups),
            Step("delete images", _destroy_images),
            Step("delete routers", _destroy_routers, undo=_restore_routers),
            Step("delete networks", _destroy_networks, undo=_restore_networks),
            Step("remove DDoS protection", _unprotect_addresses),
        ),
        done=_remove_project,
        failed=_save_deletion_failed,
    ),
)
