"""What members of pools refer to: subnets, and instances with their addresses."""

from collections.abc import Mapping, Sequence

from pileus.domain.context import Context
from pileus.domain.errors import invalid, nest_field_errors
from pileus.domain.load_balancers.members import Member
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.load_balancers import member_targets
from pileus.store.network import subnets


async def check_member_targets(tx: Tx, ctx: Context, members: Sequence[Member]) -> None:
    """Raise NotFound if a member's subnet or instance does not exist, Invalid if the instance has another address.

    Errors are those of the positions in the list.
    """
    addresses = await _require_targets(tx, ctx, members)
    for position, member in enumerate(members):
        with nest_field_errors(position):
            _check_address(member, addresses)


async def check_single_member_target(tx: Tx, ctx: Context, member: Member) -> None:
    """Raise NotFound or Invalid like `check_member_targets`; an error is that of the field itself."""
    _check_address(member, await _require_targets(tx, ctx, [member]))


async def _require_targets(tx: Tx, ctx: Context, members: Sequence[Member]) -> dict[str, set[str]]:
    """Return the addresses of the members' instances, by instance. Raises NotFound, also for a subnet."""
    for subnet_id in sorted({member.subnet_id for member in members if member.subnet_id is not None}):
        await subnets.get(tx, ctx.place, subnet_id)
    addresses = {}
    for instance_id in sorted({member.instance_id for member in members if member.instance_id is not None}):
        await instances.get(tx, ctx.place, instance_id)
        addresses[instance_id] = await member_targets.list_addresses_of_instance(tx, instance_id)
    return addresses


def _check_address(member: Member, addresses: Mapping[str, set[str]]) -> None:
    """Raise Invalid if the instance of a member has another address."""
    if member.instance_id is not None and member.address not in addresses[member.instance_id]:
        raise invalid(instance_id=f"Instance {member.instance_id} has no address {member.address}")
