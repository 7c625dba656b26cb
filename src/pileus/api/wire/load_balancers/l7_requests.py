"""Request bodies of L7 policies and L7 rules."""

from typing import Annotated, Literal, cast

from msgspec import UNSET, Meta, Struct, UnsetType, field

from pileus.api.wire.constraints import Name, Uuid
from pileus.api.wire.patches import sent_fields
from pileus.domain import limits
from pileus.domain.load_balancers.l7_orders import L7PolicyPatch, L7RulePatch, NewL7Policy, NewL7Rule

L7ActionName = Literal["REDIRECT_PREFIX", "REDIRECT_TO_POOL", "REDIRECT_TO_URL", "REJECT"]
RedirectCode = Literal[301, 302, 303, 307, 308]
CompareTypeName = Literal["CONTAINS", "ENDS_WITH", "EQUAL_TO", "REGEX", "STARTS_WITH"]
RuleTypeName = Literal[
    "COOKIE", "FILE_TYPE", "HEADER", "HOST_NAME", "PATH", "SSL_CONN_HAS_CERT", "SSL_DN_FIELD", "SSL_VERIFY_RESULT"
]  # fmt: skip
Position = Annotated[int, Meta(ge=1, le=2_147_483_647)]
Url = Annotated[str, Meta(max_length=limits.URL.value)]
L7Tag = Annotated[str, Meta(max_length=255)]
L7Tags = Annotated[list[L7Tag], Meta(max_length=limits.L7_TAGS.value)]
RuleKey = Annotated[str, Meta(max_length=255)]
RuleValue = Annotated[str, Meta(min_length=1, max_length=255)]


class ReplaceL7Policy(Struct, kw_only=True):
    """An L7 policy that replaces another one of its listener. Without `position` it keeps that of the other.

    `redirect_pool_id`, `redirect_url` and `redirect_prefix` belong to the actions with these names.
    """

    action: L7ActionName
    name: Name | None = None
    position: Position | None = None
    redirect_pool_id: Uuid | None = None
    redirect_url: Url | None = None
    redirect_prefix: Url | None = None
    redirect_http_code: RedirectCode | None = None
    tags: L7Tags = field(default_factory=list)

    def to_replacement(self) -> L7PolicyPatch:
        """Return all fields as changes."""
        patch = L7PolicyPatch(
            name=self.name or "",
            action=self.action,
            redirect_pool_id=self.redirect_pool_id,
            redirect_url=self.redirect_url,
            redirect_prefix=self.redirect_prefix,
            redirect_http_code=self.redirect_http_code,
            tags=self.tags,
        )
        if self.position is not None:
            patch["position"] = self.position
        return patch


class CreateL7Policy(ReplaceL7Policy, kw_only=True):
    """An L7 policy to create. Without `position` it is the last one of its listener."""

    listener_id: Uuid

    def to_new_l7_policy(self) -> NewL7Policy:
        """Return the policy to create."""
        fields = {name: getattr(self, name) for name in NewL7Policy.__struct_fields__}
        return NewL7Policy(**(fields | {"name": self.name or ""}))


class UpdateL7Policy(Struct, kw_only=True):
    """Changes to an L7 policy. Absent fields stay. Another action needs its own target."""

    action: L7ActionName | UnsetType = UNSET
    name: Name | UnsetType = UNSET
    position: Position | UnsetType = UNSET
    redirect_pool_id: Uuid | UnsetType | None = UNSET
    redirect_url: Url | UnsetType | None = UNSET
    redirect_prefix: Url | UnsetType | None = UNSET
    redirect_http_code: RedirectCode | UnsetType | None = UNSET
    tags: L7Tags | UnsetType = UNSET

    def to_l7_policy_patch(self) -> L7PolicyPatch:
        """Return the fields that were sent."""
        return cast("L7PolicyPatch", sent_fields(self))


class CreateL7Rule(Struct, kw_only=True):
    """An L7 rule to create. `key` names the header, the cookie or the field of the client's certificate."""

    type: RuleTypeName
    compare_type: CompareTypeName
    value: RuleValue
    key: RuleKey | None = None
    invert: bool = False
    tags: L7Tags = field(default_factory=list)

    def to_new_l7_rule(self) -> NewL7Rule:
        """Return the rule to create."""
        return NewL7Rule(**{name: getattr(self, name) for name in NewL7Rule.__struct_fields__})


class UpdateL7Rule(Struct, kw_only=True):
    """Changes to an L7 rule. Absent fields stay."""

    type: RuleTypeName | UnsetType = UNSET
    compare_type: CompareTypeName | UnsetType = UNSET
    value: RuleValue | UnsetType = UNSET
    key: RuleKey | UnsetType | None = UNSET
    invert: bool | UnsetType = UNSET
    tags: L7Tags | UnsetType = UNSET

    def to_l7_rule_patch(self) -> L7RulePatch:
        """Return the fields that were sent."""
        return cast("L7RulePatch", sent_fields(self))
