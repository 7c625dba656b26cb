"""Request bodies of security groups and their rules."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType, field

from pileus.api.wire.constraints import Description, Name, Uuid
from pileus.api.wire.legacy import CreateTaggedResource
from pileus.api.wire.tags import TagChanges
from pileus.domain import limits
from pileus.domain.network.security_rules import Direction, Ethertype, NewRule, PortNumber, Protocol


class CreateSecurityGroupRule(Struct, kw_only=True):
    """A rule to create. A protocol of `any` or null is any protocol."""

    direction: Direction
    ethertype: Ethertype | None = "IPv4"
    protocol: Protocol | None = None
    port_range_min: PortNumber | None = None
    port_range_max: PortNumber | None = None
    remote_ip_prefix: str | None = None
    remote_group_id: Uuid | None = None
    description: Description | None = ""

    def to_new_rule(self) -> NewRule:
        """Return the rule to create."""
        return NewRule(**{name: getattr(self, name) for name in NewRule.__struct_fields__})


class ReplaceSecurityGroupRule(CreateSecurityGroupRule, kw_only=True):
    """The rule that replaces another one of the same security group, which the official SDK does not name."""

    security_group_id: Uuid | None = None


Rules = Annotated[list[CreateSecurityGroupRule], Meta(max_length=limits.SECURITY_GROUP_RULES.value)]


class CreateSecurityGroup(CreateTaggedResource, kw_only=True):
    """A security group to create. Without `rules` it gets the default egress rules; with `[]` nothing is allowed."""

    name: Name
    description: Description = ""
    rules: Rules | None = None

    def to_new_rules(self) -> list[NewRule] | None:
        """Return the rules to create; None means the default ones."""
        return None if self.rules is None else [rule.to_new_rule() for rule in self.rules]


class UpdateSecurityGroup(Struct, kw_only=True):
    """Changes to a security group. Absent fields stay; `rules` replace all rules. Only `tags` can be null."""

    name: Name | UnsetType = UNSET
    tags: TagChanges | UnsetType | None = UNSET
    description: Description | UnsetType = UNSET
    rules: Rules | UnsetType = UNSET

    def to_new_rules(self) -> list[NewRule] | None:
        """Return the rules that replace all others; None means no change."""
        return None if self.rules is UNSET else [rule.to_new_rule() for rule in self.rules]


class NewLegacySecurityGroup(CreateTaggedResource, kw_only=True):
    """A security group to create, as version 1 takes it."""

    name: Name
    description: Description | None = ""
    security_group_rules: Rules | None = None

    def to_new_rules(self) -> list[NewRule] | None:
        """Return the rules to create; None means the default ones."""
        rules = self.security_group_rules
        return None if rules is None else [rule.to_new_rule() for rule in rules]


class CreateLegacySecurityGroup(Struct, kw_only=True):
    """A security group to create, and the instances to add it to."""

    security_group: NewLegacySecurityGroup
    instances: Annotated[list[Uuid], Meta(max_length=limits.SECURITY_GROUP_INSTANCES.value)] = field(
        default_factory=list
    )


class SecurityGroupRuleAddition(CreateSecurityGroupRule, kw_only=True, tag_field="action", tag="create"):
    """A rule to create."""


class SecurityGroupRuleDeletion(Struct, kw_only=True, tag_field="action", tag="delete"):
    """A rule to delete."""

    security_group_rule_id: Uuid


class UpdateLegacySecurityGroup(Struct, kw_only=True):
    """Changes to a security group, rule by rule, as version 1 takes them."""

    name: Name | UnsetType = UNSET
    tags: TagChanges | UnsetType | None = UNSET
    changed_rules: Annotated[
        list[SecurityGroupRuleAddition | SecurityGroupRuleDeletion],
        Meta(max_length=limits.SECURITY_GROUP_RULE_CHANGES.value),
    ] = field(default_factory=list)

    def rule_additions_and_deletions(self) -> list[NewRule | str]:
        """Return the rules to create and the ids of the rules to delete, in the order of the request."""
        return [
            change.security_group_rule_id if isinstance(change, SecurityGroupRuleDeletion) else change.to_new_rule()
            for change in self.changed_rules
        ]


class CopySecurityGroup(Struct, kw_only=True):
    """The name of the copy."""

    name: Name
