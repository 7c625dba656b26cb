"""L7 policies and L7 rules as the API shows them."""

from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from pileus.api.wire.common import make_view
from pileus.api.wire.legacy import LegacyField
from pileus.api.wire.times import format_with_offset
from pileus.domain.load_balancers.l7_policies import L7Policy
from pileus.domain.load_balancers.l7_rules import L7Rule
from pileus.domain.load_balancers.parts import LoadBalancerPart


class L7RuleReference(Struct, kw_only=True):
    """A rule of an L7 policy, by id."""

    id: str
    project_id: int
    region: str
    region_id: int


class L7PolicyView(Struct, kw_only=True):
    """An L7 policy. `redirect_http_code` is null unless the policy redirects to an address or a prefix."""

    id: str
    name: str
    listener_id: str
    action: str
    position: int
    redirect_pool_id: str | None
    redirect_url: str | None
    redirect_prefix: str | None
    redirect_http_code: int | None
    rules: list[L7RuleReference]
    tags: list[str]
    operating_status: str
    provisioning_status: str
    task_id: str | None
    project_id: int
    region: str
    region_id: int
    created_at: LegacyField[str]
    updated_at: LegacyField[str]

    @classmethod
    def of(cls, policy: L7Policy, rule_ids: Iterable[str], operating_status: str, region_name: str) -> "L7PolicyView":
        """Return the view of a policy."""
        place: dict[str, Any] = {"project_id": policy.project_id, "region": region_name, "region_id": policy.region_id}
        return make_view(
            cls,
            policy,
            **place,
            **_time_fields(policy),
            rules=[L7RuleReference(id=rule_id, **place) for rule_id in rule_ids],
            operating_status=operating_status,
        )


class L7RuleView(Struct, kw_only=True):
    """A rule of an L7 policy: the request matches if the comparison holds, or does not hold with `invert`."""

    id: str
    type: str
    compare_type: str
    key: str | None
    value: str
    invert: bool
    tags: list[str]
    operating_status: str
    provisioning_status: str
    task_id: str | None
    project_id: int
    region: str
    region_id: int
    created_at: LegacyField[str]
    updated_at: LegacyField[str]

    @classmethod
    def of(cls, rule: L7Rule, operating_status: str, region_name: str) -> "L7RuleView":
        """Return the view of a rule."""
        return make_view(cls, rule, **_time_fields(rule), operating_status=operating_status, region=region_name)


def _time_fields(part: LoadBalancerPart) -> dict[str, str]:
    return {"created_at": format_with_offset(part.created_at), "updated_at": format_with_offset(part.updated_at)}
