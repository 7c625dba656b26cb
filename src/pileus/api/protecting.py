"""Protecting an address against DDoS: the record that begins it, inside the transaction of a request."""

from typing import Any

from pileus.api.call import Call
from pileus.domain.ddos_profiles import DdosProfile, DdosTemplate
from pileus.domain.errors import Conflict, invalid
from pileus.domain.protection import held
from pileus.store import counters, ddos_profiles
from pileus.store.database import Tx


def template_of(call: Call, template_id: int) -> DdosTemplate:
    """The template of that number; raises Invalid."""
    template = call.cloud.catalogue.ddos_template(template_id)
    if template is None:
        raise invalid(profile_template=f"There is no profile template {template_id}")
    return template


async def unprotected(tx: Tx, call: Call, address: str) -> None:
    """Return if an address has no protection yet; raises Conflict."""
    if other := await ddos_profiles.of_address(tx, call.place.region_id, address):
        raise Conflict(f"Address {address} is protected by DDoS profile {other.id} already")


async def protected(  # noqa: PLR0913  # each is a fact of its own
    tx: Tx, call: Call, address: str, *, template: DdosTemplate, fields: list[dict[str, Any]], task_id: str
) -> DdosProfile:
    """Write the profile of an address, held by the task that makes it true; raises Conflict."""
    await unprotected(tx, call, address)
    profile = DdosProfile(
        id=await counters.following(tx, "ddos_profiles"),
        client_id=call.place.client_id,
        project_id=call.place.project_id,
        region_id=call.place.region_id,
        ip_address=address,
        template_id=template.id,
        fields=fields,
        created_at=call.cloud.now(),
    )
    fresh = held(profile, task_id)
    await ddos_profiles.add(tx, fresh)
    return fresh
