"""Security groups: named sets of rules that filter the traffic of ports."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar

from msgspec.structs import asdict

from pileus.domain.errors import Conflict, Invalid, not_found
from pileus.domain.network.ports import Port
from pileus.domain.network.security_group_policies import SecurityGroupPolicy
from pileus.domain.network.security_rules import SecurityGroupRule, plan_replaced_rules
from pileus.domain.places import Place
from pileus.domain.resources import TenantResource

GroupsByPort = Iterable[tuple[str | None, Sequence[str]]]
"""Pairs of a port id (None: all ports) and names of security groups."""


class SecurityGroup(TenantResource, frozen=True, kw_only=True):
    """A named set of rules. Each project has a default group in each region."""

    NOUN: ClassVar[str] = "Security group"
    LOCK_NAMES_TASK: ClassVar[bool] = False

    id: str
    name: str
    description: str = ""
    is_default: bool = False
    creator_task_id: str | None = None
    updated_at: int

    def require_removable(self, port_count: int, referring_group: str | None) -> "SecurityGroup":
        """Return the group if it can be deleted. Raises Conflict if a port or a rule of `referring_group` uses it."""
        if self.is_default:
            raise Conflict(f"Security group {self.name} is the project's default group: it cannot be deleted")
        if port_count:
            raise Conflict(f"Security group {self.name} is in use by {port_count} port{'s' * (port_count > 1)}")
        if referring_group is not None:
            raise Conflict(
                f"Security group {self.name} is in use: a rule of security group {referring_group} refers to it"
            )
        return self.require_unlocked()


def check_named_once(group_ids: Iterable[str]) -> None:
    """Raise Invalid if an id is in the list more than once."""
    duplicates = [group_id for group_id, count in Counter(group_ids).items() if count > 1]
    if duplicates:
        raise Invalid(f"Duplicate items in the list: {', '.join(map(repr, duplicates))}")


def plan_group_additions(ports: Sequence[Port], requests: GroupsByPort) -> list[tuple[Port, str]]:
    """Return the pairs of port and group name to add. A request for all ports skips those without port security.

    Raises NotFound for a port of another instance, Conflict if no port can have a group.
    """
    pairs = []
    for port_id, names in requests:
        secured_ports = [port for port in _select_ports(ports, port_id) if port.port_security_enabled]
        if names and not secured_ports:
            target = f"port {port_id}" if port_id else "any port of the instance"
            raise Conflict(f"No security group can be added to {target}: port security is disabled")
        pairs += [(port, name) for port in secured_ports for name in names]
    return pairs


def plan_group_removals(ports: Sequence[Port], requests: GroupsByPort) -> list[tuple[Port, str]]:
    """Return the pairs of port and group name to remove. Raises NotFound for a port of another instance."""
    return [(port, name) for port_id, names in requests for port in _select_ports(ports, port_id) for name in names]


def require_single_group(name: str, groups: Sequence[SecurityGroup]) -> SecurityGroup:
    """Return the only group of that name. Raises NotFound, or Conflict if there are several or it is locked."""
    if not groups:
        raise not_found("Security group", name)
    if len(groups) > 1:
        raise Conflict(f"There are {len(groups)} security groups named {name}: give them different names")
    return groups[0].require_unlocked()


def _select_ports(ports: Sequence[Port], port_id: str | None) -> Sequence[Port]:
    if port_id is None:
        return ports
    for port in ports:
        if port.id == port_id:
            return [port]
    raise not_found("Port", port_id)


def new_security_group(  # noqa: PLR0913  # the fields of the record
    place: Place, new_id: Callable[[], str], now: int, name: str, *, description: str = "", is_default: bool = False
) -> SecurityGroup:
    """Create a group without rules."""
    return SecurityGroup(
        id=new_id(),
        **asdict(place),
        name=name,
        description=description,
        is_default=is_default,
        created_at=now,
        updated_at=now,
    )


def new_default_security_group(
    place: Place, policy: SecurityGroupPolicy, new_id: Callable[[], str], now: int
) -> tuple[SecurityGroup, list[SecurityGroupRule]]:
    """Create a project's default group with its initial rules."""
    group = new_security_group(place, new_id, now, "default", description="Default security group", is_default=True)
    return group, plan_replaced_rules(group.id, policy.default_rules(is_default_group=True), [], new_id, now)
