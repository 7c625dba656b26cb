"""What members of pools refer to: subnets, and instances with their addresses."""

from collections.abc import Sequence

from pileus.domain.context import Context
from pileus.domain.errors import Invalid, field_errors, invalid, nest_field_errors
from pileus.domain.load_balancers.members import Member
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.load_balancers import member_targets
from pileus.store.network import subnets


async def check_member_targets(tx: Tx, ctx: Context, members: Sequence[Member]) -> None:
    """Raise NotFound if a member's subnet or instance does not exist, Invalid if the instance has another address.

    Errors are those of the positions in the list.
    """
    for subnet_id in sorted({member.subnet_id for member in members if member.subnet_id is not None}):
        await subnets.get(tx, ctx.place, subnet_id)
    addresses: dict[str, set[str]] = {}
    for position, member in enumerate(members):
        if (instance_id := member.instance_id) is None:
            continue
        if instance_id not in addresses:
            await instances.get(tx, ctx.place, instance_id)
            addresses[instance_id] = await member_targets.list_addresses_of_instance(tx, instance_id)
        if member.address not in addresses[instance_id]:
            with nest_field_errors(position):
                raise invalid(instance_id=f"Instance {instance_id} has no address {member.address}")


async def check_single_member_target(tx: Tx, ctx: Context, member: Member) -> None:
    """Raise NotFound or Invalid like `check_member_targets`; an error is that of the field itself."""
    try:
        await check_member_targets(tx, ctx, [member])
    except Invalid as problem:
        raise field_errors(problem.fields["0"]) from problem
