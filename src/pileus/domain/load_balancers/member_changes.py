"""Changes to the members of a pool: single ones, and the whole set."""

from collections.abc import Iterable, Sequence
from typing import TypedDict

from msgspec import Struct, field
from msgspec.structs import asdict, replace

from pileus.domain import limits
from pileus.domain.errors import Conflict, not_found
from pileus.domain.load_balancers.members import Member
from pileus.domain.load_balancers.pool_orders import (
    NewMember,
    PartOrigin,
    new_member_record,
    normalize_member,
    normalize_members,
)
from pileus.domain.network.subnets import parse_ip_address


class MemberPatch(TypedDict, total=False):
    """Changes to a member. An absent key leaves the field unchanged."""

    weight: int
    backup: bool
    admin_state_up: bool
    monitor_address: str | None
    monitor_port: int | None


class MemberChanges(Struct, frozen=True, kw_only=True):
    """What a change does to the members of a pool: those that it changes, before and after, and that come and go."""

    before: Sequence[Member] = field(default_factory=list)
    after: Sequence[Member] = field(default_factory=list)
    added: Sequence[Member] = field(default_factory=list)
    removed: Sequence[Member] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether nothing changes."""
        return not (self.after or self.added or self.removed)


def plan_member_addition(origin: PartOrigin, pool_id: str, existing: Sequence[Member], order: NewMember) -> Member:
    """Return the record of one more member. Raises Invalid, or Conflict if a member has its address and port."""
    normal = normalize_member(order)
    if any((member.address, member.protocol_port) == (normal.address, normal.protocol_port) for member in existing):
        raise Conflict(f"Pool {pool_id} has a member {normal.address}:{normal.protocol_port} already")
    limits.check_count("members", len(existing) + 1, limits.POOL_MEMBERS.value, existing_count=len(existing))
    return new_member_record(origin, pool_id, normal)


def plan_replaced_members(
    origin: PartOrigin, pool_id: str, existing: Sequence[Member], orders: Iterable[NewMember]
) -> MemberChanges:
    """Return the changes after which a pool has exactly these members. Raises Invalid.

    A member that keeps its address and port keeps its id, and its subnet and instance unless others are given.
    """
    existing_by_target = {(member.address, member.protocol_port): member for member in existing}
    before, after, added = [], [], []
    for order in normalize_members(orders):
        member = existing_by_target.pop((order.address, order.protocol_port), None)
        if member is None:
            added.append(new_member_record(origin, pool_id, order))
        elif (changed := _with_order(member, order)) != member:
            before.append(member)
            after.append(changed)
    return MemberChanges(before=before, after=after, added=added, removed=list(existing_by_target.values()))


def member_with_patch(member: Member, patch: MemberPatch) -> Member:
    """Return the member with a merge patch applied. Raises Invalid."""
    fields = dict(patch)
    if (address := patch.get("monitor_address")) is not None:
        fields["monitor_address"] = str(parse_ip_address("monitor_address", address))
    return replace(member, **fields)


def require_member(members: Iterable[Member], member_id: str) -> Member:
    """Return the member with an id. Raises NotFound."""
    for member in members:
        if member.id == member_id:
            return member
    raise not_found(Member.NOUN, member_id)


def _with_order(member: Member, order: NewMember) -> Member:
    fields = asdict(order)
    for name in ("subnet_id", "instance_id"):
        fields[name] = fields[name] or getattr(member, name)
    return replace(member, **fields)
