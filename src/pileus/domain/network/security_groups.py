"""Security groups: the rules that ports are guarded by."""

from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar, Self

from pileus.domain.errors import Conflict, not_found
from pileus.domain.locks import Lockable
from pileus.domain.network.ports import Port
from pileus.domain.network.security_rules import NewRule, SecurityGroupRule, plan_rules
from pileus.domain.places import Place

GroupsByPort = Iterable[tuple[str | None, Sequence[str]]]
"""Names of security groups for a port, or for all ports where it is None."""

DEFAULT_RULES = (("ingress", "icmp", None), ("ingress", "tcp", 22), ("ingress", "tcp", 3389), ("egress", None, None))
"""Direction, protocol and port."""


class SecurityGroup(Lockable, frozen=True, kw_only=True):
    """A named set of rules; each project has a default one in each region."""

    NOUN: ClassVar[str] = "Security group"

    client_id: int
    project_id: int
    region_id: int
    name: str
    description: str = ""
    is_default: bool = False
    creator_task_id: str | None = None
    created_at: int
    updated_at: int
    revision: int = 1

    def require_unlocked(self) -> Self:
        """Itself if no task holds it; raises Conflict."""
        if self.task_id is not None:
            raise Conflict(f"Security group {self.name} is locked by task {self.task_id}")
        return self

    def require_removable(self, ports: int, referring: str | None) -> "SecurityGroup":
        """Itself if it can go, given how many ports it guards and a group that speaks of it; raises Conflict."""
        if self.is_default:
            raise Conflict(f"Security group {self.name} is the project's default one: it stays")
        if ports:
            raise Conflict(f"Security group {self.name} is in use: it guards {ports} port{'s' * (ports > 1)}")
        if referring is not None:
            raise Conflict(f"Security group {self.name} is in use: a rule of security group {referring} speaks of it")
        return self.require_unlocked()


def default_rules(group: SecurityGroup) -> list[NewRule]:
    """The rules that a group has unless others are given: everything goes out; into the default one, some comes in."""
    rules = DEFAULT_RULES if group.is_default else (("egress", None, None),)
    return [
        NewRule(direction=direction, ethertype=ethertype, protocol=protocol, port_range_min=port, port_range_max=port)
        for direction, protocol, port in rules
        for ethertype in ("IPv4", "IPv6")
    ]


def groups_to_add(ports: Sequence[Port], requests: GroupsByPort) -> list[tuple[Port, str]]:
    """Which port is to get which group, by name; raises NotFound for another's port, Conflict where none can have one.

    What is asked for all ports leaves out those without port security.
    """
    pairs = []
    for port_id, names in requests:
        secured = [port for port in _aimed(ports, port_id) if port.port_security_enabled]
        if names and not secured:
            where = f"port {port_id}" if port_id else "any port of the instance"
            raise Conflict(f"No security group can guard {where}: port security is disabled")
        pairs += [(port, name) for port in secured for name in names]
    return pairs


def groups_to_remove(ports: Sequence[Port], requests: GroupsByPort) -> list[tuple[Port, str]]:
    """Which port is to lose which group; raises NotFound for another's port."""
    return [(port, name) for port_id, names in requests for port in _aimed(ports, port_id) for name in names]


def require_single_group(name: str, found: Sequence[SecurityGroup]) -> SecurityGroup:
    """The group of that name; raises NotFound, or Conflict where there are several or a task holds it."""
    if not found:
        raise not_found("Security group", name)
    if len(found) > 1:
        raise Conflict(f"There are {len(found)} security groups named {name}: give them different names")
    return found[0].require_unlocked()


def _aimed(ports: Sequence[Port], port_id: str | None) -> Sequence[Port]:
    if port_id is None:
        return ports
    for port in ports:
        if port.id == port_id:
            return [port]
    raise not_found("Port", port_id)


def new_group(  # noqa: PLR0913  # each is a fact of its own
    place: Place, new_id: Callable[[], str], now: int, name: str, *, description: str = "", is_default: bool = False
) -> SecurityGroup:
    """A group without rules."""
    return SecurityGroup(
        id=new_id(),
        client_id=place.client_id,
        project_id=place.project_id,
        region_id=place.region_id,
        name=name,
        description=description,
        is_default=is_default,
        created_at=now,
        updated_at=now,
    )


def new_default_group(
    place: Place, new_id: Callable[[], str], now: int
) -> tuple[SecurityGroup, list[SecurityGroupRule]]:
    """A project's first group, with the rules that it has at first."""
    group = new_group(place, new_id, now, "default", description="Default security group", is_default=True)
    return group, plan_rules(group.id, default_rules(group), [], new_id, now)
