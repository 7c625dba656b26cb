"""One scenario for each task type."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from pileus.domain.catalogue import derive_public_image_id
from pileus.domain.network.ports import AddressPair
from pileus.drivers.protocols.network import SecurityGroupSpec
from pileus.store.network import security_groups
from tests.builders import (
    BARE_METAL,
    a_ddos_profile,
    a_floating_ip,
    a_network,
    a_placement_group,
    a_port,
    an_instance,
    driver_of,
    list_addresses,
    list_ports,
    place_of,
)
from tests.networks import a_routed_network, a_router
from tests.storage import a_snapshot, a_volume, list_snapshots
from tests.tasks.address_scenarios import ADDRESS_SCENARIOS
from tests.tasks.file_share_scenarios import FILE_SHARE_SCENARIOS
from tests.tasks.image_scenarios import IMAGE_SCENARIOS
from tests.tasks.load_balancer_scenarios import LOAD_BALANCER_SCENARIOS
from tests.tasks.network_scenarios import NETWORK_SCENARIOS
from tests.tasks.pool_scenarios import POOL_SCENARIOS
from tests.tasks.scenario import Path, Scenario, SendRequest, request
from tests.tasks.security_group_scenarios import SECURITY_GROUP_SCENARIOS
from tests.tenants import REGION, Tenant

UBUNTU = derive_public_image_id(REGION, "ubuntu-22.04-x64")
UBUNTU_BARE = derive_public_image_id(REGION, "ubuntu-22.04-x64-ironic")
PROTECTION = {"profile_template": 1, "fields": [{"base_field": 11, "field_value": [443]}]}


def power_action(action: str, *, status: str = "ACTIVE", **changes: Any) -> Scenario:
    """Perform a power action on an instance."""

    async def prepare(tenant: Tenant) -> SendRequest:
        instance = await an_instance(tenant, status=status, **changes)
        return request("POST", tenant.path("instances", instance.id, "action", version=2), {"action": action})

    return Scenario(prepare)


async def _default_group(tenant: Tenant) -> None:
    """Create the default group, which otherwise the first server of the project would create and leave behind."""
    await tenant.api.get(tenant.path("securitygroups"))
    async with tenant.running.app_state.db.read() as tx:
        group = await security_groups.find_default(tx, place_of(tenant))
        assert group is not None
        rules = [rule.as_new_rule for rule in await security_groups.list_rules(tx, group.id)]
    spec = SecurityGroupSpec(id=group.id, name=group.name, rules=rules)
    await driver_of(tenant.running).ensure_security_group(spec)


async def _create_vm(tenant: Tenant) -> SendRequest:
    await _default_group(tenant)
    network, (subnet,) = await a_routed_network(tenant)
    group = await a_placement_group(tenant)
    private = {"type": "subnet", "network_id": network.id, "subnet_id": subnet.id, "floating_ip": {"source": "new"}}
    order = {
        "name": "fresh",
        "flavor": "g1-standard-1-2",
        "interfaces": [{"type": "external"}, private],
        "volumes": [
            {"source": "image", "image_id": UBUNTU, "size": 10, "boot_index": 0, "type_name": "standard"},
            {"source": "new-volume", "size": 5, "name": "data", "type_name": "standard", "delete_on_termination": True},
        ],
        "servergroup_id": group.id,
        "tags": {"a": "b"},
        "password": "Secret-Password-1",
        "username": "me",
    }
    return request("POST", tenant.path("instances", version=2), order)


async def _create_bm(tenant: Tenant) -> SendRequest:
    await _default_group(tenant)
    order = {
        "name": "fresh",
        "flavor": BARE_METAL,
        "interfaces": [{"type": "external"}],
        "image_id": UBUNTU_BARE,
        "ddos_profile": PROTECTION,
    }
    return request("POST", tenant.path("bminstances"), order)


async def _delete_vm(tenant: Tenant) -> SendRequest:
    instance = await an_instance(tenant)
    _, (subnet,) = await a_network(tenant)
    await a_floating_ip(tenant, await a_port(tenant, subnet, instance))
    volume = await a_volume(tenant, instance)
    return request("DELETE", f"{tenant.path('instances', instance.id)}?delete_floatings=true&volumes={volume.id}")


async def _delete_bm(tenant: Tenant) -> SendRequest:
    instance = await an_instance(tenant, flavor_id=BARE_METAL)
    return request("DELETE", tenant.path("bminstances", instance.id))


async def _rebuild_bm(tenant: Tenant) -> SendRequest:
    instance = await an_instance(tenant, flavor_id=BARE_METAL, status="SHUTOFF")
    body = {"image_id": UBUNTU_BARE, "user_data": "aGVsbG8="}
    return request("POST", tenant.path("bminstances", instance.id, "rebuild"), body)


async def _delete_project(tenant: Tenant) -> SendRequest:
    project_id = (await tenant.api.post("/cloud/v1/projects", json={"name": "short-lived"})).json()["id"]
    default_project_id, tenant.project_id = tenant.project_id, project_id
    await an_instance(tenant)
    _, (subnet,) = await a_network(tenant)
    await a_router(tenant, subnet)
    tenant.project_id = default_project_id
    return request("DELETE", f"/cloud/v1/projects/{project_id}")


async def _start_vm(tenant: Tenant) -> SendRequest:
    """Start an instance whose DDoS profile is inactive."""
    instance = await an_instance(tenant, status="SHUTOFF")
    (port,) = await list_ports(tenant, instance)
    await _protect(tenant, (await list_addresses(tenant, port))[0], active=False)
    return request("POST", tenant.path("instances", instance.id, "action", version=2), {"action": "start"})


async def _resize_vm(tenant: Tenant) -> SendRequest:
    instance = await an_instance(tenant, status="SHUTOFF")
    return request("POST", tenant.path("instances", instance.id, "changeflavor"), {"flavor_id": "g1-standard-2-4"})


async def _attach_interface(tenant: Tenant) -> SendRequest:
    await _default_group(tenant)
    instance = await an_instance(tenant)
    body = {"type": "external", "ddos_profile": {"profile_template": 1, "fields": PROTECTION["fields"]}}
    return request("POST", tenant.path("instances", instance.id, "attach_interface"), body)


async def _attach_reserved(tenant: Tenant) -> SendRequest:
    await _default_group(tenant)
    instance, port = await an_instance(tenant), await a_port(tenant)
    body = {"type": "reserved_fixed_ip", "port_id": port.id}
    return request("POST", tenant.path("instances", instance.id, "attach_interface"), body)


async def _detach_interface(tenant: Tenant) -> SendRequest:
    """It has a floating IP with a DDoS profile."""
    instance = await an_instance(tenant)
    _, (subnet,) = await a_network(tenant)
    port = await a_port(tenant, subnet, instance)
    floating_ip = await a_floating_ip(tenant, port)
    await _protect(tenant, floating_ip.floating_ip_address)
    body = {"port_id": port.id, "ip_address": (await list_addresses(tenant, port))[0]}
    return request("POST", tenant.path("instances", instance.id, "detach_interface"), body)


async def _create_volume(tenant: Tenant) -> SendRequest:
    """Create it from an image and attach it to an instance."""
    instance = await an_instance(tenant)
    body = {"source": "image", "image_id": UBUNTU, "size": 12, "name": "fresh", "instance_id_to_attach_to": instance.id}
    return request("POST", tenant.path("volumes"), body)


async def _attach_volume(tenant: Tenant) -> SendRequest:
    volume, instance = await a_volume(tenant), await an_instance(tenant)
    return request("POST", tenant.path("volumes", volume.id, "attach", version=2), {"instance_id": instance.id})


async def _detach_volume(tenant: Tenant) -> SendRequest:
    instance = await an_instance(tenant)
    volume = await a_volume(tenant, instance)
    return request("POST", tenant.path("volumes", volume.id, "detach", version=2), {"instance_id": instance.id})


def volume_action(
    action: str, body: Any = None, *, attached: bool = False, with_snapshot: bool = False
) -> Callable[[Tenant], Awaitable[SendRequest]]:
    """Perform an action on a volume."""

    async def prepare(tenant: Tenant) -> SendRequest:
        volume = await a_volume(tenant, await an_instance(tenant) if attached else None)
        if with_snapshot:
            await a_snapshot(tenant, volume)
        return request("POST", tenant.path("volumes", volume.id, action), body)

    return prepare


async def _delete_volume(tenant: Tenant) -> SendRequest:
    """Delete it with its snapshots: in a repeated request, with those that are left."""
    volume = await a_volume(tenant)
    await a_snapshot(tenant, volume)

    async def send(tenant: Tenant) -> httpx.Response:
        remaining = ",".join(snapshot.id for snapshot in await list_snapshots(tenant, volume))
        return await tenant.api.delete(tenant.path("volumes", volume.id), params={"snapshots": remaining})

    return send


async def _create_snapshot(tenant: Tenant) -> SendRequest:
    volume = await a_volume(tenant, await an_instance(tenant))
    return request("POST", tenant.path("snapshots"), {"volume_id": volume.id, "name": "before"})


async def _delete_snapshot(tenant: Tenant) -> SendRequest:
    snapshot = await a_snapshot(tenant, await a_volume(tenant))
    return request("DELETE", tenant.path("snapshots", snapshot.id))


async def _update_port(tenant: Tenant) -> SendRequest:
    """It has an allowed address pair already."""
    instance = await an_instance(tenant)
    _, (subnet,) = await a_network(tenant)
    pair = AddressPair("10.0.0.9", "00:16:3e:aa:bb:cc")
    port = await a_port(tenant, subnet, instance, allowed_address_pairs=[pair])
    path = tenant.path("ports", port.id, "allow_address_pairs", version=2)
    return request("PUT", path, {"allowed_address_pairs": [{"ip_address": "10.0.0.7"}]})


async def _put_into_group(tenant: Tenant) -> SendRequest:
    """It is on the host of another member, so that it has to be migrated."""
    group, (host, *_) = await a_placement_group(tenant), await driver_of(tenant.running).list_host_names(REGION)
    await an_instance(tenant, host=host, placement_group_id=group.id)
    instance = await an_instance(tenant, host=host)
    path = tenant.path("instances", instance.id, "put_into_servergroup")
    return request("POST", path, {"servergroup_id": group.id})


async def _remove_from_group(tenant: Tenant) -> SendRequest:
    group = await a_placement_group(tenant)
    instance = await an_instance(tenant, placement_group_id=group.id)
    return request("POST", tenant.path("instances", instance.id, "remove_from_servergroup"))


async def _create_profile(tenant: Tenant) -> SendRequest:
    address = await _address(tenant)
    return request("POST", tenant.path("ddos/profiles"), {"ip_address": address, **PROTECTION})


async def _update_profile(tenant: Tenant) -> SendRequest:
    path, address = await _profile(tenant)
    fields = [{"base_field": 11, "field_value": [80]}]
    return request("PATCH", path, {"ip_address": address, "profile_template": 1, "fields": fields})


async def _activate_profile(tenant: Tenant) -> SendRequest:
    path, _ = await _profile(tenant, active=False)
    return request("POST", f"{path}/action", {"active": True, "bgp": False})


async def _deactivate_profile(tenant: Tenant) -> SendRequest:
    path, _ = await _profile(tenant)
    return request("POST", f"{path}/action", {"active": False, "bgp": False})


async def _delete_profile(tenant: Tenant) -> SendRequest:
    path, _ = await _profile(tenant)
    return request("DELETE", path)


async def _address(tenant: Tenant) -> str:
    (port,) = await list_ports(tenant, await an_instance(tenant))
    return (await list_addresses(tenant, port))[0]


async def _profile(tenant: Tenant, *, active: bool = True) -> tuple[Path, str]:
    address = await _address(tenant)
    return tenant.path("ddos/profiles", str(await _protect(tenant, address, active=active))), address


async def _protect(tenant: Tenant, address: str, *, active: bool = True) -> int:
    profile = await a_ddos_profile(tenant, address, active=active)
    await driver_of(tenant.running).ensure_ddos_protection(REGION, address, active=active)
    return profile.id


SCENARIOS: dict[str, Scenario] = {
    "start_vm": Scenario(_start_vm),
    "stop_vm": power_action("stop"),
    "soft_reboot_vm": power_action("reboot"),
    "hard_reboot_vm": power_action("reboot_hard"),
    "suspend_vm": power_action("suspend"),
    "resume_vm": power_action("resume", status="SUSPENDED"),
    "start_bm": power_action("start", status="SHUTOFF", flavor_id=BARE_METAL),
    "stop_bm": power_action("stop", flavor_id=BARE_METAL),
    "soft_reboot_bm": power_action("reboot", flavor_id=BARE_METAL),
    "hard_reboot_bm": power_action("reboot_hard", flavor_id=BARE_METAL),
    "create_vm": Scenario(_create_vm),
    "create_bm": Scenario(_create_bm),
    "delete_vm": Scenario(_delete_vm, irreversible=True),
    "delete_bm": Scenario(_delete_bm, irreversible=True),
    "delete_project": Scenario(_delete_project, irreversible=True),
    "rebuild_bm": Scenario(_rebuild_bm, irreversible=True),
    "resize_vm": Scenario(_resize_vm),
    "attach_vm_interface": Scenario(_attach_interface),
    "attach_vm_to_reserved_fixed_ip": Scenario(_attach_reserved),
    "detach_vm_interface": Scenario(_detach_interface),
    "create_volume": Scenario(_create_volume),
    "attach_volume": Scenario(_attach_volume),
    "detach_volume": Scenario(_detach_volume),
    "extend_volume": Scenario(volume_action("extend", {"size": 20}, attached=True)),
    "retype_volume": Scenario(volume_action("retype", {"volume_type": "ssd_hiiops"}, attached=True)),
    "revert_volume": Scenario(volume_action("revert", with_snapshot=True)),
    "delete_volume": Scenario(_delete_volume, irreversible=True),
    "create_snapshot": Scenario(_create_snapshot),
    "delete_snapshot": Scenario(_delete_snapshot, irreversible=True),
    **NETWORK_SCENARIOS,
    **LOAD_BALANCER_SCENARIOS,
    **POOL_SCENARIOS,
    **ADDRESS_SCENARIOS,
    **SECURITY_GROUP_SCENARIOS,
    **IMAGE_SCENARIOS,
    **FILE_SHARE_SCENARIOS,
    "update_port_allowed_address_pairs": Scenario(_update_port),
    "put_into_server_group": Scenario(_put_into_group),
    "remove_from_server_group": Scenario(_remove_from_group),
    "create_ddos_profile": Scenario(_create_profile),
    "update_ddos_profile": Scenario(_update_profile),
    "activate_ddos_profile": Scenario(_activate_profile),
    "deactivate_ddos_profile": Scenario(_deactivate_profile),
    "delete_ddos_profile": Scenario(_delete_profile, irreversible=True),
}
