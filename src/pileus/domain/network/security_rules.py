"""Rules of security groups: validation, comparison, and the rules of a group after a change."""

from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

from pileus.domain import limits
from pileus.domain.errors import Conflict, Invalid, invalid, not_found
from pileus.domain.ip_addresses import ip_network

Direction = Literal["egress", "ingress"]
Ethertype = Literal["IPv4", "IPv6"]
Protocol = Literal[
    "ah", "any", "dccp", "egp", "esp", "gre", "icmp", "igmp", "ipencap", "ipip", "ipv6-encap", "ipv6-frag", "ipv6-icmp",
    "ipv6-nonxt", "ipv6-opts", "ipv6-route", "ospf", "pgm", "rsvp", "sctp", "tcp", "udp", "udplite", "vrrp",
]  # fmt: skip
PortNumber = Annotated[int, Meta(ge=0, le=65535)]

PORT_PROTOCOLS = frozenset({"tcp", "udp", "udplite", "sctp", "dccp"})
ICMP_PROTOCOLS = frozenset({"icmp", "ipv6-icmp"})
"""Protocols whose `port_range_min` is an ICMP type and `port_range_max` an ICMP code."""
MAX_ICMP_TYPE = 255
ETHERTYPES = {4: "IPv4", 6: "IPv6"}


class NewRule(Struct, frozen=True, kw_only=True):
    """The traffic that a rule allows. None in a field means any."""

    direction: str
    ethertype: str | None = "IPv4"
    protocol: str | None = None
    port_range_min: int | None = None
    port_range_max: int | None = None
    remote_ip_prefix: str | None = None
    remote_group_id: str | None = None
    description: str | None = ""


class SecurityGroupRule(NewRule, frozen=True, kw_only=True):
    """A rule of a security group."""

    id: str
    security_group_id: str
    created_at: int
    updated_at: int
    revision: int = 0

    @property
    def as_new_rule(self) -> NewRule:
        """The rule without the fields of its record."""
        return NewRule(**rule_fields_by_name(self))


def rule_fields_by_name(rule: NewRule) -> dict[str, Any]:
    """Return the fields of `NewRule` by name."""
    return {name: getattr(rule, name) for name in NewRule.__struct_fields__}


def normalize_rule(rule: NewRule) -> NewRule:
    """Return the rule in canonical form. Raises Invalid for a contradictory rule."""
    protocol = None if rule.protocol == "any" else rule.protocol
    rule = replace(rule, protocol=protocol, description=rule.description or "")
    _check_ports(rule)
    if rule.remote_ip_prefix is None:
        return rule
    if rule.remote_group_id is not None:
        raise invalid(remote_group_id="Give either remote_group_id or remote_ip_prefix, not both")
    try:
        prefix = ip_network(rule.remote_ip_prefix)
    except ValueError:
        raise invalid(remote_ip_prefix="value is not a valid IPv4 or IPv6 network") from None
    if ETHERTYPES[prefix.version] != (rule.ethertype or ETHERTYPES[prefix.version]):
        raise invalid(remote_ip_prefix=f"The prefix is IPv{prefix.version}, the ethertype is {rule.ethertype}")
    return replace(rule, remote_ip_prefix=str(prefix))


def _check_ports(rule: NewRule) -> None:
    lowest, highest = rule.port_range_min, rule.port_range_max
    if lowest is None and highest is None:
        return
    if rule.protocol in ICMP_PROTOCOLS:
        if lowest is None or max(lowest, highest or 0) > MAX_ICMP_TYPE:
            raise invalid(port_range_min=f"For {rule.protocol} it is a type, and port_range_max a code, up to 255")
    elif rule.protocol not in PORT_PROTOCOLS:
        raise invalid(port_range_min=f"Protocol {rule.protocol or 'any'} has no ports")
    elif lowest is None or highest is None or lowest > highest:
        raise invalid(port_range_min="Give both port_range_min and port_range_max, the smaller one first")


def plan_replaced_rules(
    group_id: str,
    requested: Iterable[NewRule],
    existing: Sequence[SecurityGroupRule],
    new_id: Callable[[], str],
    now: int,
) -> list[SecurityGroupRule]:
    """Return the records of a group that has exactly the requested rules. Existing rules keep their ids.

    Raises Invalid for an invalid rule and for too many rules, Conflict for duplicates.
    """
    rules = [normalize_rule(rule) for rule in requested]
    limits.check_total("rules", rules, limits.SECURITY_GROUP_RULES, existing_count=len(existing))
    allowed: set[NewRule] = set()
    for rule in rules:
        traffic = replace(rule, description=None)
        if traffic in allowed:
            raise Conflict(f"Two rules are the same: {describe_rule(rule)}")
        allowed.add(traffic)
    # Earlier versions stored null in place of an empty description.
    existing_by_content = {replace(rule.as_new_rule, description=rule.description or ""): rule for rule in existing}
    return [existing_by_content.get(rule) or new_rule_record(group_id, rule, new_id(), now) for rule in rules]


def allows_same_traffic(rule: NewRule, other: NewRule) -> bool:
    """Return whether two rules allow the same traffic. Descriptions do not count."""
    return replace(rule, description=None) == replace(other, description=None)


def with_rule(rules: Sequence[SecurityGroupRule], rule: SecurityGroupRule) -> list[SecurityGroupRule]:
    """Add a rule. Raises Conflict if the same rule exists, Invalid if there are too many."""
    if any(allows_same_traffic(rule.as_new_rule, other.as_new_rule) for other in rules):
        raise Conflict(f"Security group rule already exists: {describe_rule(rule.as_new_rule)}")
    result = [*rules, rule]
    limits.check_total("rules", result, limits.SECURITY_GROUP_RULES, existing_count=len(rules))
    return result


def without_rule(rules: Sequence[SecurityGroupRule], rule_id: str) -> list[SecurityGroupRule]:
    """Remove a rule. Raises NotFound."""
    remaining = [rule for rule in rules if rule.id != rule_id]
    if len(remaining) == len(rules):
        raise not_found("Security group rule", rule_id)
    return remaining


def describe_rule(rule: NewRule) -> str:
    """Describe a rule in one line, for messages."""
    ports = f" {rule.port_range_min}-{rule.port_range_max}" if rule.port_range_min is not None else ""
    remote = rule.remote_ip_prefix or rule.remote_group_id or "anywhere"
    return f"{rule.direction} {rule.ethertype or 'any'} {rule.protocol or 'any'}{ports} {remote}"


def new_rule_record(group_id: str, rule: NewRule, rule_id: str, now: int) -> SecurityGroupRule:
    """Create the record of a rule. Raises Invalid."""
    if rule.protocol == "icmp" and rule.ethertype == "IPv6":
        raise Invalid(
            "Protocol icmp is prohibited for ethertype IPv6. You should specify ipv6-icmp for ethertype: IPv6"
        )
    fields = rule_fields_by_name(normalize_rule(rule))
    return SecurityGroupRule(id=rule_id, security_group_id=group_id, created_at=now, updated_at=now, **fields)
