"""Protecting the public address of a server while it is made, or while it gets an interface."""

from collections.abc import Sequence

from pileus.domain.context import Context
from pileus.domain.network.ddos_profile_locks import check_answers
from pileus.domain.network.ddos_profiles import NewDdosProfile
from pileus.domain.network.interfaces import public_address
from pileus.services.network.ddos_profiles import create_ddos_profile, template_of
from pileus.services.network.interfaces import AttachedInterface
from pileus.store.database import Tx
from pileus.store.network import networks


async def protect_public_address(
    tx: Tx, ctx: Context, plugged: Sequence[AttachedInterface], new_profile: NewDdosProfile, task_id: str
) -> int:
    """Write the protection of the first public address, held by the task that makes it true; the profile's id.

    Raises Invalid where there is no public address, or Conflict if it is protected already.
    """
    found = [(await networks.find(tx, each.port.network_id), each.addresses) for each in plugged]
    network, given = next((each for each in found if each[0] and each[0].external), found[0])
    template = template_of(ctx, new_profile.template_id)
    fields, address = check_answers(template, new_profile.answers), public_address(network, given)
    return (await create_ddos_profile(tx, ctx, address, template=template, fields=fields, task_id=task_id)).id
