"""Protecting an address against DDoS: the record that begins it, inside the transaction of a request."""

from collections.abc import Iterable
from typing import Any

from pileus.domain.context import Context
from pileus.domain.errors import Conflict, invalid
from pileus.domain.network.ddos_profile_locks import locked
from pileus.domain.network.ddos_profiles import DdosProfile, DdosTemplate
from pileus.domain.network.floating_ips import FloatingIP
from pileus.domain.network.ports import Port
from pileus.store import counters
from pileus.store.database import Tx
from pileus.store.network import ddos_profiles, ports


def template_of(ctx: Context, template_id: int) -> DdosTemplate:
    """The template of that number; raises Invalid."""
    template = ctx.catalogue.ddos_template(template_id)
    if template is None:
        raise invalid(profile_template=f"There is no profile template {template_id}")
    return template


async def check_unprotected(tx: Tx, ctx: Context, address: str) -> None:
    """Return if an address has no protection yet; raises Conflict."""
    if other := await ddos_profiles.of_address(tx, ctx.place.region_id, address):
        raise Conflict(f"Address {address} is protected by DDoS profile {other.id} already")


async def create_ddos_profile(  # each is a fact of its own
    tx: Tx, ctx: Context, address: str, *, template: DdosTemplate, fields: list[dict[str, Any]], task_id: str
) -> DdosProfile:
    """Write the profile of an address, held by the task that makes it true; raises Conflict."""
    await check_unprotected(tx, ctx, address)
    profile = DdosProfile(
        id=await counters.next_value(tx, "ddos_profiles"),
        client_id=ctx.place.client_id,
        project_id=ctx.place.project_id,
        region_id=ctx.place.region_id,
        ip_address=address,
        template_id=template.id,
        fields=fields,
        created_at=ctx.now(),
    )
    fresh = locked(profile, task_id)
    await ddos_profiles.add(tx, fresh)
    return fresh


async def lock_profiles_of_ports(tx: Tx, going: Iterable[Port], task_id: str) -> list[int]:
    """Let a task hold the protection of ports' addresses, which goes with them; the profiles' ids."""
    profiles = []
    for port in going:
        for line in await ports.addresses_of(tx, port.id):
            profiles += await _held(tx, port.client_id, port.region_id, line.ip, task_id)
    return profiles


async def lock_profiles_of_floating_ips(tx: Tx, going: Iterable[FloatingIP], task_id: str) -> list[int]:
    """Let a task hold the protection of floating IPs, which goes with them; the profiles' ids."""
    profiles = []
    for each in going:
        profiles += await _held(tx, each.client_id, each.region_id, each.floating_ip_address, task_id)
    return profiles


async def _held(tx: Tx, client_id: int, region_id: int, address: str, task_id: str) -> list[int]:
    profile = await ddos_profiles.of_address(tx, region_id, address)
    if profile is None or profile.client_id != client_id:
        return []
    await ddos_profiles.save(tx, profile, locked(profile, task_id))
    return [profile.id]
