"""Rules of security groups: what a rule may say, and which rules a group has after a change."""

from collections.abc import Callable, Iterable, Sequence
from ipaddress import ip_network
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from pileus.domain.errors import Conflict, invalid, not_found

MAX_RULES = 250
"""Rules in one group."""
PORT_PROTOCOLS = frozenset({"tcp", "udp", "udplite", "sctp", "dccp"})
ICMP_PROTOCOLS = frozenset({"icmp", "ipv6-icmp"})
"""Protocols whose `port_range_min` is a type of messages and `port_range_max` a code."""
MAX_ICMP_TYPE = 255
ETHERTYPES = {4: "IPv4", 6: "IPv6"}


class NewRule(Struct, frozen=True, kw_only=True):
    """What may pass; None in a field means any."""

    direction: str
    ethertype: str | None = "IPv4"
    protocol: str | None = None
    port_range_min: int | None = None
    port_range_max: int | None = None
    remote_ip_prefix: str | None = None
    remote_group_id: str | None = None
    description: str | None = None


class SecurityGroupRule(NewRule, frozen=True, kw_only=True):
    """A rule of a group."""

    id: str
    security_group_id: str
    created_at: int
    updated_at: int
    revision: int = 1

    @property
    def rule(self) -> NewRule:
        """What it says."""
        return NewRule(**rule_fields(self))


def rule_fields(rule: NewRule) -> dict[str, Any]:
    """What a rule says, by the names of fields."""
    return {name: getattr(rule, name) for name in NewRule.__struct_fields__}


def normalize_rule(rule: NewRule) -> NewRule:
    """A rule in the one spelling that records use; raises Invalid for what makes no sense."""
    rule = replace(rule, protocol=None if rule.protocol == "any" else rule.protocol)
    _ports(rule)
    if rule.remote_ip_prefix is None:
        return rule
    if rule.remote_group_id is not None:
        raise invalid(remote_group_id="Give either remote_group_id or remote_ip_prefix, not both")
    try:
        prefix = ip_network(rule.remote_ip_prefix)
    except ValueError:
        raise invalid(remote_ip_prefix="value is not a valid IPv4 or IPv6 network") from None
    if ETHERTYPES[prefix.version] != (rule.ethertype or ETHERTYPES[prefix.version]):
        raise invalid(remote_ip_prefix=f"The range is one of IPv{prefix.version}, the rule is about {rule.ethertype}")
    return replace(rule, remote_ip_prefix=str(prefix))


def _ports(rule: NewRule) -> None:
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


def plan_rules(
    group_id: str,
    requested: Iterable[NewRule],
    existing: Sequence[SecurityGroupRule],
    new_id: Callable[[], str],
    now: int,
) -> list[SecurityGroupRule]:
    """The rules of a group that is to have exactly those wanted; what is there already keeps its id.

    Raises Invalid for a rule that makes no sense and for too many, Conflict for one that is given twice.
    """
    rules = [normalize_rule(rule) for rule in requested]
    if len(rules) > MAX_RULES:
        raise invalid(rules=f"A security group has at most {MAX_RULES} rules")
    for at, rule in enumerate(rules):
        if any(is_same_rule(rule, other) for other in rules[:at]):
            raise Conflict(f"Two rules say the same: {describe_rule(rule)}")
    known = {rule.rule: rule for rule in existing}
    return [known.get(rule) or new_rule(group_id, rule, new_id(), now) for rule in rules]


def is_same_rule(one: NewRule, other: NewRule) -> bool:
    """Whether two rules say the same, whatever they are described as."""
    return replace(one, description=None) == replace(other, description=None)


def with_rule(rules: Sequence[SecurityGroupRule], rule: SecurityGroupRule) -> list[SecurityGroupRule]:
    """The rules with one more; raises Conflict if one says the same, Invalid if there are too many."""
    if any(is_same_rule(rule.rule, other.rule) for other in rules):
        raise Conflict(f"Security group rule already exists: {describe_rule(rule.rule)}")
    if len(rules) >= MAX_RULES:
        raise invalid(rules=f"A security group has at most {MAX_RULES} rules")
    return [*rules, rule]


def without_rule(rules: Sequence[SecurityGroupRule], rule_id: str) -> list[SecurityGroupRule]:
    """The rules but one; raises NotFound."""
    left = [rule for rule in rules if rule.id != rule_id]
    if len(left) == len(rules):
        raise not_found("Security group rule", rule_id)
    return left


def describe_rule(rule: NewRule) -> str:
    """A rule in few words."""
    ports = f" {rule.port_range_min}-{rule.port_range_max}" if rule.port_range_min is not None else ""
    remote = rule.remote_ip_prefix or rule.remote_group_id or "anywhere"
    return f"{rule.direction} {rule.ethertype or 'any'} {rule.protocol or 'any'}{ports} {remote}"


def new_rule(group_id: str, rule: NewRule, rule_id: str, now: int) -> SecurityGroupRule:
    """A new rule of a group; raises Invalid."""
    facts = rule_fields(normalize_rule(rule))
    return SecurityGroupRule(id=rule_id, security_group_id=group_id, created_at=now, updated_at=now, **facts)
