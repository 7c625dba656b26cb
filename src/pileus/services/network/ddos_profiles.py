"""Create, update, switch and delete DDoS profiles of public addresses."""

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec.structs import asdict, replace

from pileus.domain.account.user_actions import AuditEntry
from pileus.domain.context import Context
from pileus.domain.errors import Conflict, invalid, nest_field_errors, not_found
from pileus.domain.ip_addresses import ip_address
from pileus.domain.network.ddos_profiles import DdosProfile, DdosTemplate, NewDdosProfile, complete_template_answers
from pileus.domain.network.floating_ips import FloatingIP
from pileus.domain.network.interfaces import AttachedInterface, choose_public_address
from pileus.domain.network.ports import Port
from pileus.domain.network.task_types import (
    ACTIVATE_DDOS_PROFILE,
    CREATE_DDOS_PROFILE,
    DEACTIVATE_DDOS_PROFILE,
    DELETE_DDOS_PROFILE,
    UPDATE_DDOS_PROFILE,
    ChangeDdosProfileArgs,
)
from pileus.domain.tasks import Task, TaskType
from pileus.services.network.ports import lock_port_for_use
from pileus.services.tasks import start_task
from pileus.store import counters
from pileus.store.account import projects
from pileus.store.database import Tx
from pileus.store.network import ddos_profiles, floating_ips, networks, ports

AUDIT_GROUP = "ddos_profile"


async def create_ddos_profile(
    tx: Tx, ctx: Context, address: str, new: NewDdosProfile, task_id: str, *, audit_data: dict[str, Any]
) -> Task:
    """Save the DDoS profile of an address of the project, and start the task that creates it.

    Raises NotFound, Invalid or Conflict.
    """
    ctx.require_region()
    template = _require_template(ctx, new.template_id)
    fields, address = complete_template_answers(template, new.answers), _parse_address(address)
    await projects.require_active(tx, ctx.place)
    await _check_address_of_project(tx, ctx, address)
    profile = await _add_profile(tx, ctx, address, template=template, fields=fields, task_id=task_id)
    return await _start(tx, ctx, CREATE_DDOS_PROFILE, "create", profile.id, task_id, audit_data=audit_data)


async def update_ddos_profile(
    tx: Tx,
    ctx: Context,
    profile_id: int,
    address: str,
    new: NewDdosProfile,
    task_id: str,
    *,
    audit_data: dict[str, Any],
) -> Task:
    """Lock and change template, answers and address of a profile, and start the task that applies them."""
    template = _require_template(ctx, new.template_id)
    fields, address = complete_template_answers(template, new.answers), _parse_address(address)
    before = await ddos_profiles.get(tx, ctx.place, profile_id)
    if address != before.ip_address:
        await _check_address_of_project(tx, ctx, address)
        await _check_unprotected(tx, ctx, address)
    after = replace(before.locked(task_id), template_id=template.id, fields=fields, ip_address=address)
    await ddos_profiles.save(tx, before, after)
    return await _start(
        tx, ctx, UPDATE_DDOS_PROFILE, "update", profile_id, task_id, before=before, audit_data=audit_data
    )


async def switch_ddos_profile(tx: Tx, ctx: Context, profile_id: int, task_id: str, *, active: bool, bgp: bool) -> Task:
    """Lock the profile and start the task that activates or deactivates it."""
    before = await ddos_profiles.get(tx, ctx.place, profile_id)
    await ddos_profiles.save(tx, before, replace(before.locked(task_id), active=active, bgp=bgp))
    task_type, action = (ACTIVATE_DDOS_PROFILE, "activate") if active else (DEACTIVATE_DDOS_PROFILE, "deactivate")
    audit_data = {"active": active, "bgp": bgp}
    return await _start(tx, ctx, task_type, action, profile_id, task_id, before=before, audit_data=audit_data)


async def delete_ddos_profile(tx: Tx, ctx: Context, profile_id: int, task_id: str) -> Task:
    """Lock the profile and start the task that deletes it."""
    before = await ddos_profiles.get(tx, ctx.place, profile_id)
    await ddos_profiles.save(tx, before, before.locked(task_id))
    return await _start(tx, ctx, DELETE_DDOS_PROFILE, "delete", profile_id, task_id, before=before)


async def add_ddos_profile_for_interfaces(
    tx: Tx, ctx: Context, interfaces: Sequence[AttachedInterface], new: NewDdosProfile, task_id: str
) -> int:
    """Save the DDoS profile of the first public address of new interfaces, locked by their task; return its id.

    Raises Invalid if no interface is in a public network, and Conflict if the address has a profile.
    """
    candidates = [(await networks.find(tx, interface.port.network_id), interface.addresses) for interface in interfaces]
    external = ((network, ips) for network, ips in candidates if network is not None and network.external)
    network, ips = next(external, candidates[0])
    with nest_field_errors("ddos_profile"):
        template = _require_template(ctx, new.template_id)
        fields = complete_template_answers(template, new.answers)
    address = choose_public_address(network, ips)
    return (await _add_profile(tx, ctx, address, template=template, fields=fields, task_id=task_id)).id


async def lock_profiles_of_ports(tx: Tx, deleted_ports: Iterable[Port], task_id: str) -> list[int]:
    """Lock the DDoS profiles of the addresses of ports that the task deletes, and return the profiles' ids."""
    profiles = []
    for port in deleted_ports:
        for assigned in await ports.list_addresses(tx, port.id):
            profiles += await _lock_profile_of_address(tx, port.client_id, port.region_id, assigned.ip, task_id)
    return profiles


async def lock_profiles_of_floating_ips(tx: Tx, floating_ips: Iterable[FloatingIP], task_id: str) -> list[int]:
    """Lock the DDoS profiles of floating IPs that the task deletes, and return the profiles' ids."""
    profiles = []
    for floating_ip in floating_ips:
        address = floating_ip.floating_ip_address
        profiles += await _lock_profile_of_address(tx, floating_ip.client_id, floating_ip.region_id, address, task_id)
    return profiles


async def _lock_profile_of_address(tx: Tx, client_id: int, region_id: int, address: str, task_id: str) -> list[int]:
    profile = await ddos_profiles.find_by_address(tx, region_id, address)
    if profile is None or profile.client_id != client_id:
        return []
    await ddos_profiles.save(tx, profile, profile.locked(task_id))
    return [profile.id]


async def _add_profile(
    tx: Tx, ctx: Context, address: str, *, template: DdosTemplate, fields: list[dict[str, Any]], task_id: str
) -> DdosProfile:
    """Save the profile of an address, locked by the task. Raises Conflict if the address has one."""
    await _check_unprotected(tx, ctx, address)
    profile = DdosProfile(
        id=await counters.increment(tx, "ddos_profiles"),
        **asdict(ctx.place),
        ip_address=address,
        template_id=template.id,
        fields=fields,
        created_at=ctx.now(),
    )
    new_profile = profile.locked(task_id)
    await ddos_profiles.add(tx, new_profile)
    return new_profile


async def _check_unprotected(tx: Tx, ctx: Context, address: str) -> None:
    if other := await ddos_profiles.find_by_address(tx, ctx.place.region_id, address):
        raise Conflict(f"Address {address} is protected by DDoS profile {other.id} already")


async def _check_address_of_project(tx: Tx, ctx: Context, address: str) -> None:
    """Raise NotFound if no port or floating IP of the project has the address, or Conflict if a task has locked it."""
    owner = await ddos_profiles.find_address_owner(tx, ctx.place, address)
    if owner is None:
        raise not_found("Address", address)
    port_id, floating_ip_id = owner
    if port_id is not None:
        await lock_port_for_use(tx, ctx, port_id)
    if floating_ip_id is not None:
        (await floating_ips.get_for_use(tx, ctx.place, floating_ip_id)).require_unlocked()


def _require_template(ctx: Context, template_id: int) -> DdosTemplate:
    template = ctx.catalogue.ddos_template(template_id)
    if template is None:
        raise invalid(profile_template=f"There is no profile template {template_id}")
    return template


def _parse_address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise invalid(ip_address="value is not a valid IPv4 or IPv6 address") from None


async def _start(
    tx: Tx,
    ctx: Context,
    task_type: TaskType[ChangeDdosProfileArgs],
    action: str,
    profile_id: int,
    task_id: str,
    *,
    before: DdosProfile | None = None,
    audit_data: dict[str, Any] | None = None,
) -> Task:
    args = ChangeDdosProfileArgs(profile_id=profile_id, before=before)
    entry = AuditEntry(AUDIT_GROUP, action, profile_id, audit_data)
    return await start_task(tx, ctx, task_id, task_type, args, data={"profile_id": profile_id}, entry=entry)
