"""How each operation comes about: what stands there before, and the request that begins it. One story a task type."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from pileus.domain.catalogue import image_id
from pileus.domain.network.ports import AddressPair
from pileus.drivers.protocols.compute import SecurityGroupSpec
from pileus.store.network import security_groups
from tests.builders import (
    BARE_METAL,
    a_ddos_profile,
    a_floating_ip,
    a_network,
    a_placement_group,
    a_port,
    addresses_of,
    an_instance,
    driver_of,
    place_of,
    ports_of,
)
from tests.networks import a_router
from tests.storage import a_snapshot, a_volume, snapshots_now
from tests.tasks.address_scenarios import ADDRESS_STORIES
from tests.tasks.image_scenarios import IMAGE_STORIES
from tests.tasks.network_scenarios import NETWORK_STORIES
from tests.tasks.scenario import Ask, Path, Story, asking
from tests.tasks.security_group_scenarios import GUARD_STORIES
from tests.tenants import REGION, Tenant

UBUNTU = image_id(REGION, "ubuntu-22.04-x64")
UBUNTU_BARE = image_id(REGION, "ubuntu-22.04-x64-ironic")
PROTECTION = {"profile_template": 1, "fields": [{"base_field": 11, "field_value": [443]}]}


def acting(action: str, *, status: str = "ACTIVE", **changes: Any) -> Story:
    """An instance, and what is done to its power."""

    async def begin(tenant: Tenant) -> Ask:
        instance = await an_instance(tenant, status=status, **changes)
        return asking("POST", tenant.path("instances", instance.id, "action", version=2), {"action": action})

    return Story(begin)


async def _default_group(tenant: Tenant) -> None:
    """The group that the first server of a project would bring about, and that outlasts it."""
    await tenant.api.get(tenant.path("securitygroups"))
    async with tenant.running.cloud.db.read() as tx:
        group = await security_groups.default(tx, place_of(tenant))
        assert group is not None
        told = [rule.rule for rule in await security_groups.rules_of(tx, group.id)]
    await driver_of(tenant.running).ensure_security_group(SecurityGroupSpec(id=group.id, name=group.name, rules=told))


async def _create_vm(tenant: Tenant) -> Ask:
    await _default_group(tenant)
    network, (subnet,) = await a_network(tenant)
    group = await a_placement_group(tenant)
    inside = {"type": "subnet", "network_id": network.id, "subnet_id": subnet.id, "floating_ip": {"source": "new"}}
    order = {
        "name": "fresh",
        "flavor": "g1-standard-1-2",
        "interfaces": [{"type": "external"}, inside],
        "volumes": [
            {"source": "image", "image_id": UBUNTU, "size": 10, "boot_index": 0, "type_name": "standard"},
            {"source": "new-volume", "size": 5, "name": "data", "type_name": "standard", "delete_on_termination": True},
        ],
        "servergroup_id": group.id,
        "tags": {"a": "b"},
        "password": "Secret-Password-1",
        "username": "me",
    }
    return asking("POST", tenant.path("instances", version=2), order)


async def _create_bm(tenant: Tenant) -> Ask:
    await _default_group(tenant)
    order = {
        "name": "fresh",
        "flavor": BARE_METAL,
        "interfaces": [{"type": "external"}],
        "image_id": UBUNTU_BARE,
        "ddos_profile": PROTECTION,
    }
    return asking("POST", tenant.path("bminstances"), order)


async def _delete_vm(tenant: Tenant) -> Ask:
    instance = await an_instance(tenant)
    _, (subnet,) = await a_network(tenant)
    await a_floating_ip(tenant, await a_port(tenant, subnet, instance))
    return asking("DELETE", tenant.path("instances", instance.id) + "?delete_floatings=true")


async def _delete_bm(tenant: Tenant) -> Ask:
    instance = await an_instance(tenant, flavor_id=BARE_METAL)
    return asking("DELETE", tenant.path("bminstances", instance.id))


async def _rebuild_bm(tenant: Tenant) -> Ask:
    instance = await an_instance(tenant, flavor_id=BARE_METAL, status="SHUTOFF")
    body = {"image_id": UBUNTU_BARE, "user_data": "aGVsbG8="}
    return asking("POST", tenant.path("bminstances", instance.id, "rebuild"), body)


async def _delete_project(tenant: Tenant) -> Ask:
    project_id = (await tenant.api.post("/cloud/v1/projects", json={"name": "short-lived"})).json()["id"]
    here, tenant.project_id = tenant.project_id, project_id
    await an_instance(tenant)
    _, (subnet,) = await a_network(tenant)
    await a_router(tenant, subnet)
    tenant.project_id = here
    return asking("DELETE", f"/cloud/v1/projects/{project_id}")


async def _start_vm(tenant: Tenant) -> Ask:
    """One whose protection is off."""
    instance = await an_instance(tenant, status="SHUTOFF")
    (port,) = await ports_of(tenant, instance)
    await _protected(tenant, (await addresses_of(tenant, port))[0], active=False)
    return asking("POST", tenant.path("instances", instance.id, "action", version=2), {"action": "start"})


async def _resize_vm(tenant: Tenant) -> Ask:
    instance = await an_instance(tenant, status="SHUTOFF")
    return asking("POST", tenant.path("instances", instance.id, "changeflavor"), {"flavor_id": "g1-standard-2-4"})


async def _attach_interface(tenant: Tenant) -> Ask:
    await _default_group(tenant)
    instance = await an_instance(tenant)
    body = {"type": "external", "ddos_profile": {"profile_template": 1, "fields": PROTECTION["fields"]}}
    return asking("POST", tenant.path("instances", instance.id, "attach_interface"), body)


async def _attach_reserved(tenant: Tenant) -> Ask:
    await _default_group(tenant)
    instance, port = await an_instance(tenant), await a_port(tenant)
    body = {"type": "reserved_fixed_ip", "port_id": port.id}
    return asking("POST", tenant.path("instances", instance.id, "attach_interface"), body)


async def _detach_interface(tenant: Tenant) -> Ask:
    """One with a floating IP, and its address protected."""
    instance = await an_instance(tenant)
    _, (subnet,) = await a_network(tenant)
    port = await a_port(tenant, subnet, instance)
    floating = await a_floating_ip(tenant, port)
    await _protected(tenant, floating.floating_ip_address)
    body = {"port_id": port.id, "ip_address": (await addresses_of(tenant, port))[0]}
    return asking("POST", tenant.path("instances", instance.id, "detach_interface"), body)


async def _create_volume(tenant: Tenant) -> Ask:
    """From an image, and to hang on an instance at once."""
    instance = await an_instance(tenant)
    body = {"source": "image", "image_id": UBUNTU, "size": 12, "name": "fresh", "instance_id_to_attach_to": instance.id}
    return asking("POST", tenant.path("volumes"), body)


async def _attach_volume(tenant: Tenant) -> Ask:
    volume, instance = await a_volume(tenant), await an_instance(tenant)
    return asking("POST", tenant.path("volumes", volume.id, "attach", version=2), {"instance_id": instance.id})


async def _detach_volume(tenant: Tenant) -> Ask:
    instance = await an_instance(tenant)
    volume = await a_volume(tenant, instance)
    return asking("POST", tenant.path("volumes", volume.id, "detach", version=2), {"instance_id": instance.id})


def changing(
    verb: str, body: Any = None, *, used: bool = False, taken: bool = False
) -> Callable[[Tenant], Awaitable[Ask]]:
    """A volume, in use or with a snapshot, and what is done to it."""

    async def begin(tenant: Tenant) -> Ask:
        volume = await a_volume(tenant, await an_instance(tenant) if used else None)
        if taken:
            await a_snapshot(tenant, volume)
        return asking("POST", tenant.path("volumes", volume.id, verb), body)

    return begin


async def _delete_volume(tenant: Tenant) -> Ask:
    """With its snapshots: those that are still there, when it is asked again."""
    volume = await a_volume(tenant)
    await a_snapshot(tenant, volume)

    async def ask(tenant: Tenant) -> httpx.Response:
        left = ",".join(snapshot.id for snapshot in await snapshots_now(tenant, volume))
        return await tenant.api.delete(tenant.path("volumes", volume.id), params={"snapshots": left})

    return ask


async def _create_snapshot(tenant: Tenant) -> Ask:
    volume = await a_volume(tenant, await an_instance(tenant))
    return asking("POST", tenant.path("snapshots"), {"volume_id": volume.id, "name": "before"})


async def _delete_snapshot(tenant: Tenant) -> Ask:
    snapshot = await a_snapshot(tenant, await a_volume(tenant))
    return asking("DELETE", tenant.path("snapshots", snapshot.id))


async def _update_port(tenant: Tenant) -> Ask:
    """One that may speak as another address already."""
    instance = await an_instance(tenant)
    _, (subnet,) = await a_network(tenant)
    pair = AddressPair("10.0.0.9", "00:16:3e:aa:bb:cc")
    port = await a_port(tenant, subnet, instance, allowed_address_pairs=[pair])
    path = tenant.path("ports", port.id, "allow_address_pairs", version=2)
    return asking("PUT", path, {"allowed_address_pairs": [{"ip_address": "10.0.0.7"}]})


async def _put_into_group(tenant: Tenant) -> Ask:
    """On the host of another member, so that it has to move."""
    group, (host, *_) = await a_placement_group(tenant), await driver_of(tenant.running).hosts(REGION)
    await an_instance(tenant, host=host, placement_group_id=group.id)
    instance = await an_instance(tenant, host=host)
    path = tenant.path("instances", instance.id, "put_into_servergroup")
    return asking("POST", path, {"servergroup_id": group.id})


async def _remove_from_group(tenant: Tenant) -> Ask:
    group = await a_placement_group(tenant)
    instance = await an_instance(tenant, placement_group_id=group.id)
    return asking("POST", tenant.path("instances", instance.id, "remove_from_servergroup"))


async def _create_profile(tenant: Tenant) -> Ask:
    address = await _address(tenant)
    return asking("POST", tenant.path("ddos/profiles"), {"ip_address": address, **PROTECTION})


async def _update_profile(tenant: Tenant) -> Ask:
    path, address = await _profile(tenant)
    fields = [{"base_field": 11, "field_value": [80]}]
    return asking("PATCH", path, {"ip_address": address, "profile_template": 1, "fields": fields})


async def _activate_profile(tenant: Tenant) -> Ask:
    path, _ = await _profile(tenant, active=False)
    return asking("POST", f"{path}/action", {"active": True, "bgp": False})


async def _deactivate_profile(tenant: Tenant) -> Ask:
    path, _ = await _profile(tenant)
    return asking("POST", f"{path}/action", {"active": False, "bgp": False})


async def _delete_profile(tenant: Tenant) -> Ask:
    path, _ = await _profile(tenant)
    return asking("DELETE", path)


async def _address(tenant: Tenant) -> str:
    (port,) = await ports_of(tenant, await an_instance(tenant))
    return (await addresses_of(tenant, port))[0]


async def _profile(tenant: Tenant, *, active: bool = True) -> tuple[Path, str]:
    address = await _address(tenant)
    return tenant.path("ddos/profiles", str(await _protected(tenant, address, active=active))), address


async def _protected(tenant: Tenant, address: str, *, active: bool = True) -> int:
    profile = await a_ddos_profile(tenant, address, active=active)
    await driver_of(tenant.running).ensure_protected(REGION, address, active=active)
    return profile.id


STORIES: dict[str, Story] = {
    "start_vm": Story(_start_vm),
    "stop_vm": acting("stop"),
    "soft_reboot_vm": acting("reboot"),
    "hard_reboot_vm": acting("reboot_hard"),
    "suspend_vm": acting("suspend"),
    "resume_vm": acting("resume", status="SUSPENDED"),
    "start_bm": acting("start", status="SHUTOFF", flavor_id=BARE_METAL),
    "stop_bm": acting("stop", flavor_id=BARE_METAL),
    "soft_reboot_bm": acting("reboot", flavor_id=BARE_METAL),
    "hard_reboot_bm": acting("reboot_hard", flavor_id=BARE_METAL),
    "create_vm": Story(_create_vm),
    "create_bm": Story(_create_bm),
    "delete_vm": Story(_delete_vm, lasting=True),
    "delete_bm": Story(_delete_bm, lasting=True),
    "delete_project": Story(_delete_project, lasting=True),
    "rebuild_bm": Story(_rebuild_bm, lasting=True),
    "resize_vm": Story(_resize_vm),
    "attach_vm_interface": Story(_attach_interface),
    "attach_vm_to_reserved_fixed_ip": Story(_attach_reserved),
    "detach_vm_interface": Story(_detach_interface),
    "create_volume": Story(_create_volume),
    "attach_volume": Story(_attach_volume),
    "detach_volume": Story(_detach_volume),
    "extend_volume": Story(changing("extend", {"size": 20}, used=True)),
    "retype_volume": Story(changing("retype", {"volume_type": "ssd_hiiops"}, used=True)),
    "revert_volume": Story(changing("revert", taken=True)),
    "delete_volume": Story(_delete_volume, lasting=True),
    "create_snapshot": Story(_create_snapshot),
    "delete_snapshot": Story(_delete_snapshot, lasting=True),
    **NETWORK_STORIES,
    **ADDRESS_STORIES,
    **GUARD_STORIES,
    **IMAGE_STORIES,
    "update_port_allowed_address_pairs": Story(_update_port),
    "put_into_server_group": Story(_put_into_group),
    "remove_from_server_group": Story(_remove_from_group),
    "create_ddos_profile": Story(_create_profile),
    "update_ddos_profile": Story(_update_profile),
    "activate_ddos_profile": Story(_activate_profile),
    "deactivate_ddos_profile": Story(_deactivate_profile),
    "delete_ddos_profile": Story(_delete_profile, lasting=True),
}
