"""Orders of L7 policies and rules: what a policy does, its place among the others, and the records."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict
from urllib.parse import urlsplit

from msgspec import Struct, field
from msgspec.structs import replace

from pileus.domain import limits
from pileus.domain.errors import invalid
from pileus.domain.load_balancers.l7_conditions import L7Condition, check_l7_condition
from pileus.domain.load_balancers.l7_policies import L7Action, L7Policy
from pileus.domain.load_balancers.l7_rules import L7Rule
from pileus.domain.load_balancers.pool_orders import PartOrigin

TARGETS: Mapping[str, str | None] = {
    L7Action.REDIRECT_TO_POOL: "redirect_pool_id",
    L7Action.REDIRECT_TO_URL: "redirect_url",
    L7Action.REDIRECT_PREFIX: "redirect_prefix",
    L7Action.REJECT: None,
}
"""The field that holds the target of each action."""
CODE_ACTIONS = frozenset({L7Action.REDIRECT_TO_URL, L7Action.REDIRECT_PREFIX})
DEFAULT_CODE = 302
SCHEMES = ("http", "https")


class L7Reaction(Struct, frozen=True, kw_only=True):
    """What a policy does with the requests that match."""

    action: str
    redirect_pool_id: str | None = None
    redirect_url: str | None = None
    redirect_prefix: str | None = None
    redirect_http_code: int | None = None


class NewL7Policy(L7Reaction, frozen=True, kw_only=True):
    """A policy to create; without a position it becomes the last one of its listener."""

    listener_id: str
    name: str = ""
    position: int | None = None
    tags: Sequence[str] = field(default_factory=list)


class NewL7Rule(L7Condition, frozen=True, kw_only=True):
    """A rule to create."""

    tags: Sequence[str] = field(default_factory=list)


class L7PolicyPatch(TypedDict, total=False):
    """Changes to an L7 policy. An absent key leaves the field unchanged."""

    name: str
    action: str
    position: int
    redirect_pool_id: str | None
    redirect_url: str | None
    redirect_prefix: str | None
    redirect_http_code: int | None
    tags: list[str]


class L7RulePatch(TypedDict, total=False):
    """Changes to an L7 rule. An absent key leaves the field unchanged."""

    type: str
    compare_type: str
    key: str | None
    value: str
    invert: bool
    tags: list[str]


def plan_l7_policy(origin: PartOrigin, order: NewL7Policy, existing: Sequence[L7Policy]) -> L7Policy:
    """Return the record of a listener's new policy. Raises Invalid."""
    reaction = complete_reaction(_fields_of(L7Reaction, order))
    limits.check_count(
        "listener_id", len(existing) + 1, limits.LISTENER_L7_POLICIES.value, existing_count=len(existing)
    )
    last = len(existing) + 1
    return L7Policy(
        **origin.part_fields(),
        **_fields_of(L7Reaction, reaction),
        listener_id=order.listener_id,
        name=order.name,
        position=min(order.position or last, last),
        tags=list(order.tags),
    )


def l7_policy_with_patch(policy: L7Policy, patch: L7PolicyPatch, policy_count: int) -> L7Policy:
    """Return the policy with a merge patch applied. Raises Invalid.

    The target of another action is removed. A position after the last one is the last one.
    """
    fields = _fields_of(L7Reaction, policy)
    if patch.get("action", policy.action) != policy.action:
        fields = {"action": policy.action}
    reaction = complete_reaction(fields | {name: value for name, value in patch.items() if name in REACTION_FIELDS})
    return replace(
        policy,
        **_fields_of(L7Reaction, reaction),
        name=patch.get("name", policy.name),
        tags=patch.get("tags", policy.tags),
        position=min(patch.get("position", policy.position), policy_count),
    )


def complete_reaction(fields: Mapping[str, Any]) -> L7Reaction:
    """Return what a policy does, with the default code of redirects. Raises Invalid unless it has exactly its target.

    A policy that redirects to a pool or rejects has no code, whatever `fields` say.
    """
    action, target = fields["action"], TARGETS[fields["action"]]
    if target is not None and not fields.get(target):
        raise invalid(**{target: "Field required"})
    for name in TARGETS.values():
        if name not in (target, None) and fields.get(name):
            raise invalid(**{name: f"Policies with action {action} have no such target"})
    if target in ("redirect_url", "redirect_prefix"):
        _check_url(target, fields[target])
    code = fields.get("redirect_http_code") or DEFAULT_CODE
    return L7Reaction(
        action=action,
        redirect_http_code=code if action in CODE_ACTIONS else None,
        **({} if target is None else {target: fields[target]}),
    )


def positioned_policies(policies: Sequence[L7Policy], moved: L7Policy | None = None) -> list[L7Policy]:
    """Return all policies of a listener in order, with positions from 1 and without gaps.

    `moved` is put at its position; it may be new, or replace the record with its id.
    """
    others = sorted((policy for policy in policies if moved is None or policy.id != moved.id), key=_position)
    if moved is not None:
        others.insert(moved.position - 1, moved)
    return [
        policy if policy.position == position else replace(policy, position=position)
        for position, policy in enumerate(others, start=1)
    ]


def plan_l7_rule(origin: PartOrigin, policy_id: str, order: NewL7Rule, rule_count: int) -> L7Rule:
    """Return the record of a policy's new rule. Raises Invalid, also if the policy has too many."""
    check_l7_condition(order)
    limits.check_count("rules", rule_count + 1, limits.L7_POLICY_RULES.value, existing_count=rule_count)
    condition = _fields_of(L7Condition, order)
    return L7Rule(**origin.part_fields(), **condition, l7_policy_id=policy_id, tags=list(order.tags))


def l7_rule_with_patch(rule: L7Rule, patch: L7RulePatch) -> L7Rule:
    """Return the rule with changes applied. Raises Invalid. A rule whose new type has no key loses its key."""
    fields = _fields_of(L7Condition, rule)
    if patch.get("type", rule.type) != rule.type:
        fields["key"] = None
    condition = L7Condition(**(fields | {name: value for name, value in patch.items() if name in fields}))
    check_l7_condition(condition)
    return replace(rule, **_fields_of(L7Condition, condition), tags=patch.get("tags", rule.tags))


def _check_url(name: str, text: str) -> None:
    try:
        url = urlsplit(text)
        is_valid = url.scheme in SCHEMES and bool(url.hostname)
    except ValueError:
        is_valid = False
    if not is_valid or not text.isascii() or not text.isprintable() or not set(text).isdisjoint(" \"'\\<>`{}"):
        raise invalid(**{name: "It is the address of a page: http:// or https://, a host, and no blanks or quotes"})


def _position(policy: L7Policy) -> int:
    return policy.position


def _fields_of(struct_type: type[Struct], record: Struct) -> dict[str, Any]:
    return {name: getattr(record, name) for name in struct_type.__struct_fields__}


REACTION_FIELDS = L7Reaction.__struct_fields__
