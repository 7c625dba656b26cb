"""Security groups and their rules as the API shows them, and the bodies that make and change them."""

from collections.abc import Iterable
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field
from msgspec.structs import asdict

from pileus.api.wire.constraints import Description, Name, Uuid
from pileus.api.wire.tags import NewTags, TagChanges, TagView, tag_views
from pileus.api.wire.times import offset
from pileus.domain.network.security_groups import SecurityGroup
from pileus.domain.network.security_rules import MOST, NewRule, SecurityGroupRule, rule_of
from pileus.domain.tags import Tag, validate_tags

Direction = Literal["egress", "ingress"]
Ethertype = Literal["IPv4", "IPv6"]
Protocol = Literal[
    "ah", "any", "dccp", "egp", "esp", "gre", "icmp", "igmp", "ipencap", "ipip", "ipv6-encap", "ipv6-frag", "ipv6-icmp",
    "ipv6-nonxt", "ipv6-opts", "ipv6-route", "ospf", "pgm", "rsvp", "sctp", "tcp", "udp", "udplite", "vrrp",
]  # fmt: skip
PortNumber = Annotated[int, Meta(ge=0, le=65535)]


class SecurityGroupRuleView(Struct, kw_only=True):
    """What may pass; null in a field means any."""

    id: str
    security_group_id: str
    direction: str
    ethertype: str | None
    protocol: str | None
    port_range_min: int | None
    port_range_max: int | None
    remote_ip_prefix: str | None
    remote_group_id: str | None
    description: str | None
    revision_number: int
    created_at: str
    updated_at: str

    @classmethod
    def of(cls, rule: SecurityGroupRule) -> "SecurityGroupRuleView":
        """Show a rule."""
        return cls(
            id=rule.id,
            security_group_id=rule.security_group_id,
            revision_number=rule.revision,
            created_at=offset(rule.created_at),
            updated_at=offset(rule.updated_at),
            **rule_of(rule),
        )


class SecurityGroupView(Struct, kw_only=True):
    """A security group with its rules; its tags are called `tags_v2`."""

    id: str
    name: str
    description: str
    security_group_rules: list[SecurityGroupRuleView]
    tags_v2: list[TagView]
    revision_number: int
    project_id: int
    region: str
    region_id: int
    created_at: str
    updated_at: str

    @classmethod
    def of(
        cls, group: SecurityGroup, rules: Iterable[SecurityGroupRule], tags: Iterable[Tag], region_name: str
    ) -> "SecurityGroupView":
        """Show a group."""
        return cls(
            id=group.id,
            name=group.name,
            description=group.description,
            security_group_rules=[SecurityGroupRuleView.of(rule) for rule in rules],
            tags_v2=tag_views(tags),
            revision_number=group.revision,
            project_id=group.project_id,
            region=region_name,
            region_id=group.region_id,
            created_at=offset(group.created_at),
            updated_at=offset(group.updated_at),
        )


class LegacySecurityGroupView(SecurityGroupView, kw_only=True):
    """A security group with what older clients read besides: tags as texts (`key=value`), and as `metadata`."""

    tags: list[str]
    metadata: list[TagView]

    @classmethod
    def of(
        cls, group: SecurityGroup, rules: Iterable[SecurityGroupRule], tags: Iterable[Tag], region_name: str
    ) -> "LegacySecurityGroupView":
        """Show a group under both sets of names."""
        view = SecurityGroupView.of(group, rules, tags, region_name)
        texts = [f"{tag.key}={tag.value}" for tag in view.tags_v2]
        return cls(**asdict(view), tags=texts, metadata=view.tags_v2)


class Rule(Struct, kw_only=True):
    """A rule to be made; `any` and null are every protocol."""

    direction: Direction
    ethertype: Ethertype | None = "IPv4"
    protocol: Protocol | None = None
    port_range_min: PortNumber | None = None
    port_range_max: PortNumber | None = None
    remote_ip_prefix: str | None = None
    remote_group_id: Uuid | None = None
    description: Description | None = ""

    def rule(self) -> NewRule:
        """Say it in the rules' words."""
        return NewRule(**{name: getattr(self, name) for name in NewRule.__struct_fields__})


Rules = Annotated[list[Rule], Meta(max_length=MOST)]


class CreateSecurityGroup(Struct, kw_only=True):
    """A security group to make; without `rules` everything may go out and nothing come in, with `[]` nothing passes."""

    name: Name
    description: str = ""
    rules: Rules | None = None
    tags: NewTags | None = None


class _UpdateGroup(Struct, kw_only=True):
    name: Name | None = None
    tags: TagChanges | UnsetType | None = UNSET

    def retagging(self) -> dict[str, str | None] | None:
        """The merge patch of the tags, checked; raises Invalid."""
        return None if self.tags is None else validate_tags(self.tags or {})


class UpdateSecurityGroup(_UpdateGroup, kw_only=True):
    """What a security group is to be: what is absent stays; `rules` are all that it is to have."""

    description: str | None = None
    rules: Rules | None = None


class OlderGroup(Struct, kw_only=True):
    """A security group to make, as older clients say it."""

    name: Name
    description: str | None = ""
    security_group_rules: Rules | None = None
    tags: NewTags | None = None
    metadata: NewTags | None = None


class CreateOlderGroup(Struct, kw_only=True):
    """A security group to make, and instances that it is to guard."""

    security_group: OlderGroup
    instances: list[Uuid] = field(default_factory=list)


class AddRule(Rule, kw_only=True, tag_field="action", tag="create"):
    """One more rule."""


class DropRule(Struct, kw_only=True, tag_field="action", tag="delete"):
    """One rule less."""

    security_group_rule_id: Uuid


class UpdateOlderGroup(_UpdateGroup, kw_only=True):
    """What is to change of a security group, as older clients say it: rule by rule."""

    changed_rules: Annotated[list[AddRule | DropRule], Meta(max_length=2 * MOST)] = field(default_factory=list)


class CopySecurityGroup(Struct, kw_only=True):
    """The name of the copy."""

    name: Name
