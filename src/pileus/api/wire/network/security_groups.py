"""Security groups and their rules as the API shows them."""

from collections.abc import Iterable

from msgspec import Struct

from pileus.api.wire.common import make_view
from pileus.api.wire.legacy import LegacyField
from pileus.api.wire.tags import TagView, tag_views
from pileus.api.wire.times import format_with_offset
from pileus.domain.network.security_groups import SecurityGroup
from pileus.domain.network.security_rules import SecurityGroupRule
from pileus.domain.tags import Tag


class SecurityGroupRuleView(Struct, kw_only=True):
    """A rule of a security group. Null in a field means any."""

    id: str
    security_group_id: str
    direction: str
    ethertype: str | None
    protocol: str | None
    port_range_min: int | None
    port_range_max: int | None
    remote_ip_prefix: str | None
    remote_group_id: str | None
    description: str
    revision_number: int
    created_at: str
    updated_at: str

    @classmethod
    def of(cls, rule: SecurityGroupRule) -> "SecurityGroupRuleView":
        """Return the view of a rule."""
        return cls(
            id=rule.id,
            security_group_id=rule.security_group_id,
            direction=rule.direction,
            ethertype=rule.ethertype,
            protocol=rule.protocol,
            port_range_min=rule.port_range_min,
            port_range_max=rule.port_range_max,
            remote_ip_prefix=rule.remote_ip_prefix,
            remote_group_id=rule.remote_group_id,
            description=rule.description or "",
            revision_number=rule.revision,
            created_at=format_with_offset(rule.created_at),
            updated_at=format_with_offset(rule.updated_at),
        )


class SecurityGroupView(Struct, kw_only=True):
    """A security group with its rules. Its tags are in `tags_v2`; `tags` has them as `key=value`."""

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
    tags: LegacyField[list[str]]
    metadata: LegacyField[list[TagView]]

    @classmethod
    def of(
        cls, group: SecurityGroup, rules: Iterable[SecurityGroupRule], tags: Iterable[Tag], region_name: str
    ) -> "SecurityGroupView":
        """Return the view of a group."""
        tag_list = tag_views(tags)
        return make_view(
            cls,
            group,
            security_group_rules=[SecurityGroupRuleView.of(rule) for rule in rules],
            tags_v2=tag_list,
            tags=[f"{tag.key}={tag.value}" for tag in tag_list],
            metadata=tag_list,
            revision_number=group.revision,
            region=region_name,
            created_at=format_with_offset(group.created_at),
            updated_at=format_with_offset(group.updated_at),
        )
