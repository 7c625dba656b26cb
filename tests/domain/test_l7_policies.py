"""L7 policies and rules: their targets, their order, and the conditions of rules."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pileus.domain.errors import Invalid
from pileus.domain.limits import L7_POLICY_RULES, LISTENER_L7_POLICIES
from pileus.domain.load_balancers.l7_conditions import COMPARISONS, L7Condition, check_l7_condition
from pileus.domain.load_balancers.l7_orders import (
    L7PolicyPatch,
    NewL7Policy,
    NewL7Rule,
    l7_policy_with_patch,
    l7_rule_with_patch,
    plan_l7_policy,
    plan_l7_rule,
    positioned_policies,
)
from pileus.domain.load_balancers.l7_policies import L7Policy
from pileus.domain.load_balancers.l7_rules import L7CompareType, L7RuleType
from tests.domain.load_balancers import a_policy, a_rule, an_origin

URL = "https://example.com/new"
TO_URL: dict[str, Any] = {"action": "REDIRECT_TO_URL", "redirect_url": URL}


def an_order(**changes: Any) -> NewL7Policy:
    """Return the order of a policy that rejects."""
    return NewL7Policy(**{"listener_id": "l-1", "action": "REJECT", **changes})


def a_condition(type_name: str, compare_type: str, value: str, key: str | None = None) -> L7Condition:
    """Return a condition."""
    return L7Condition(type=type_name, compare_type=compare_type, value=value, key=key)


def policies(count: int) -> list[L7Policy]:
    """Return the policies of a listener."""
    return [a_policy(id=f"policy-{number}", position=number) for number in range(1, count + 1)]


@pytest.mark.parametrize(
    ("order", "code"),
    [
        (an_order(), None),
        (an_order(redirect_http_code=301), None),
        (an_order(action="REDIRECT_TO_POOL", redirect_pool_id="pool-1", redirect_http_code=301), None),
        (an_order(**TO_URL), 302),
        (an_order(**TO_URL, redirect_http_code=308), 308),
        (an_order(action="REDIRECT_PREFIX", redirect_prefix="http://a.example:8080", redirect_http_code=301), 301),
    ],
)
def test_only_redirects_have_a_code(order: NewL7Policy, code: int | None) -> None:
    policy = plan_l7_policy(an_origin(), order, [])

    assert policy.redirect_http_code == code
    assert (policy.action, policy.redirect_url, policy.redirect_prefix) == (
        order.action,
        order.redirect_url,
        order.redirect_prefix,
    )


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"action": "REDIRECT_TO_POOL"}, "redirect_pool_id"),
        ({"action": "REDIRECT_TO_URL"}, "redirect_url"),
        ({"action": "REDIRECT_PREFIX"}, "redirect_prefix"),
        ({"redirect_url": URL}, "redirect_url"),
        ({**TO_URL, "redirect_pool_id": "pool-1"}, "redirect_pool_id"),
        *(
            ({"action": "REDIRECT_TO_URL", "redirect_url": url}, "redirect_url")
            for url in (
                "/new",
                "ftp://a.example/",
                "https://",
                "https://a.example/\r\nSet-Cookie: a=b",
                "https://a.example/a b",
                'https://a.example/"',
                "https://a.example/é",
                "http://[::1",
                "javascript://a.example",
            )
        ),
    ],
)
def test_a_policy_has_exactly_the_target_of_its_action(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as problem:
        plan_l7_policy(an_origin(), an_order(**changes), [])

    assert list(problem.value.fields) == [field]


@pytest.mark.parametrize(("position", "expected"), [(None, 4), (1, 1), (3, 3), (4, 4), (1000, 4)])
def test_a_new_policy_is_the_last_one_unless_it_has_a_position(position: int | None, expected: int) -> None:
    assert plan_l7_policy(an_origin(), an_order(position=position), policies(3)).position == expected


def test_a_listener_has_a_limited_number_of_policies() -> None:
    with pytest.raises(Invalid, match="at most 100 items"):
        plan_l7_policy(an_origin(), an_order(), policies(LISTENER_L7_POLICIES.value))


@given(st.integers(0, 6), st.integers(1, 9), st.booleans(), st.data())
def test_positions_have_no_gaps_and_the_moved_policy_its_place(
    count: int,
    position: int,
    is_new: bool,  # noqa: FBT001  # drawn by the test
    data: st.DataObject,
) -> None:
    existing = policies(count)
    last = count + 1 if is_new or not existing else count
    moved_id = "new" if is_new or not existing else data.draw(st.sampled_from([policy.id for policy in existing]))
    moved = a_policy(id=moved_id, position=min(position, last))

    ordered = positioned_policies(existing, moved)

    assert [policy.position for policy in ordered] == list(range(1, last + 1))
    assert ordered[moved.position - 1].id == moved_id
    others = [policy.id for policy in ordered if policy.id != moved_id]
    assert others == [policy.id for policy in existing if policy.id != moved_id]


def test_a_deleted_policy_leaves_no_gap() -> None:
    first, _, third = policies(3)

    assert positioned_policies([third, first]) == [first, replace(third, position=2)]


@pytest.mark.parametrize(
    ("patch", "changes"),
    [
        ({}, {}),
        ({"name": "other", "tags": ["a"]}, {"name": "other", "tags": ["a"]}),
        ({"action": "REDIRECT_TO_URL"}, {}),
        ({"redirect_http_code": 301}, {"redirect_http_code": 301}),
        ({"action": "REJECT"}, {"action": "REJECT", "redirect_url": None, "redirect_http_code": None}),
        (
            {"action": "REDIRECT_PREFIX", "redirect_prefix": "https://b.example"},
            {"action": "REDIRECT_PREFIX", "redirect_url": None, "redirect_prefix": "https://b.example"},
        ),
        ({"position": 9}, {"position": 3}),
        ({"position": 2}, {"position": 2}),
    ],
)
def test_a_patch_of_a_policy(patch: L7PolicyPatch, changes: dict[str, Any]) -> None:
    policy = a_policy(**TO_URL, redirect_http_code=302)

    assert l7_policy_with_patch(policy, patch, 3) == replace(policy, **changes)


@pytest.mark.parametrize(
    "patch", [{"action": "REDIRECT_TO_POOL"}, {"redirect_url": None}, {"redirect_prefix": URL}, {"redirect_url": "x"}]
)
def test_a_patch_of_a_policy_that_leaves_no_target_is_refused(patch: L7PolicyPatch) -> None:
    with pytest.raises(Invalid):
        l7_policy_with_patch(a_policy(**TO_URL, redirect_http_code=302), patch, 3)


@pytest.mark.parametrize(
    ("type_name", "accepted"),
    [
        ("HOST_NAME", set(L7CompareType)),
        ("PATH", set(L7CompareType)),
        ("HEADER", set(L7CompareType)),
        ("COOKIE", set(L7CompareType)),
        ("FILE_TYPE", {"EQUAL_TO", "REGEX"}),
        ("SSL_CONN_HAS_CERT", {"EQUAL_TO"}),
        ("SSL_VERIFY_RESULT", {"EQUAL_TO"}),
    ],
)
def test_each_type_has_its_comparisons(type_name: str, accepted: set[str]) -> None:
    assert set(COMPARISONS[type_name]) == accepted


def test_each_type_of_rule_has_comparisons() -> None:
    assert set(COMPARISONS) == set(L7RuleType)


@pytest.mark.parametrize(
    ("condition", "field"),
    [
        (("FILE_TYPE", "STARTS_WITH", "jpg"), "compare_type"),
        (("SSL_CONN_HAS_CERT", "REGEX", "true"), "compare_type"),
        (("HEADER", "EQUAL_TO", "a"), "key"),
        (("COOKIE", "EQUAL_TO", "a"), "key"),
        (("SSL_DN_FIELD", "EQUAL_TO", "a"), "key"),
        (("HEADER", "EQUAL_TO", "a", "X Y"), "key"),
        (("HEADER", "EQUAL_TO", "a", "X:Y"), "key"),
        (("PATH", "EQUAL_TO", "/a", "X"), "key"),
        (("PATH", "EQUAL_TO", "/a b"), "value"),
        (("PATH", "STARTS_WITH", "/a\n/b"), "value"),
        (("HOST_NAME", "EQUAL_TO", "a_b!"), "value"),
        (("HEADER", "CONTAINS", "a\r\nb", "X"), "value"),
        (("COOKIE", "EQUAL_TO", "a b", "X"), "value"),
        (("FILE_TYPE", "EQUAL_TO", "a/b"), "value"),
        (("SSL_CONN_HAS_CERT", "EQUAL_TO", "false"), "value"),
        (("SSL_VERIFY_RESULT", "EQUAL_TO", "ok"), "value"),
        (("PATH", "REGEX", "("), "value"),
        (("PATH", "REGEX", "a{99999999999}"), "value"),
        (("PATH", "REGEX", "(a{100}){100}"), "value"),
        (("PATH", "REGEX", "a{5,2000}"), "value"),
        (("PATH", "REGEX", "a\nb"), "value"),
        (("PATH", "REGEX", "(?z)"), "value"),
    ],
)
def test_a_condition_that_cannot_hold_is_refused(condition: tuple[str, ...], field: str) -> None:
    with pytest.raises(Invalid) as problem:
        check_l7_condition(a_condition(*condition))

    assert list(problem.value.fields) == [field]


@pytest.mark.parametrize(
    "condition",
    [
        ("HOST_NAME", "ENDS_WITH", ".example.com"),
        ("PATH", "STARTS_WITH", "/images/%20a"),
        ("PATH", "REGEX", r"^/(v1|v2)/[a-z]{1,8}$"),
        ("PATH", "REGEX", "[[a-z]"),
        ("FILE_TYPE", "EQUAL_TO", "jpg"),
        ("FILE_TYPE", "REGEX", "jpe?g|png"),
        ("HEADER", "CONTAINS", "Mozilla/5.0 (X11)", "User-Agent"),
        ("COOKIE", "EQUAL_TO", "blue", "variant"),
        ("SSL_CONN_HAS_CERT", "EQUAL_TO", "True"),
        ("SSL_VERIFY_RESULT", "EQUAL_TO", "0"),
        ("SSL_DN_FIELD", "EQUAL_TO", "Example Ltd", "O"),
    ],
)
def test_conditions_that_hold_for_some_requests(condition: tuple[str, ...]) -> None:
    check_l7_condition(a_condition(*condition))


@given(st.text(max_size=255))
def test_any_text_as_a_regular_expression_is_accepted_or_refused(text: str) -> None:
    with suppress(Invalid):
        check_l7_condition(L7Condition(type="PATH", compare_type="REGEX", value=text))


def test_a_policy_has_a_limited_number_of_rules() -> None:
    order = NewL7Rule(type="PATH", compare_type="EQUAL_TO", value="/a", tags=["x"])

    rule = plan_l7_rule(an_origin(), "policy-1", order, L7_POLICY_RULES.value - 1)

    assert (rule.l7_policy_id, rule.tags, rule.key) == ("policy-1", ["x"], None)
    with pytest.raises(Invalid, match="at most 50 items"):
        plan_l7_rule(an_origin(), "policy-1", order, L7_POLICY_RULES.value)


def test_a_changed_rule_is_checked_as_a_whole() -> None:
    rule = a_rule(type="HEADER", key="X-A", value="1")

    assert l7_rule_with_patch(rule, {"invert": True}) == replace(rule, invert=True)
    assert l7_rule_with_patch(rule, {"type": "PATH", "value": "/a"}) == replace(rule, type="PATH", value="/a", key=None)
    with pytest.raises(Invalid, match="key"):
        l7_rule_with_patch(rule, {"type": "COOKIE"})
    with pytest.raises(Invalid, match="value"):
        l7_rule_with_patch(rule, {"compare_type": "REGEX", "value": "("})
