"""L7 policies in HAProxy's configuration. The first policy of a listener whose rules all match decides.

HAProxy evaluates rules of one kind after those of another, so the number of the first policy that matches is stored in
a variable, and all actions depend on that.
"""

from collections.abc import Iterator, Mapping

from pileus.domain.load_balancers.l7_policies import L7Action
from pileus.domain.load_balancers.l7_rules import L7CompareType, L7RuleType
from pileus.drivers.protocols.load_balancers import L7PolicySpec, L7RuleSpec
from pileus.drivers.qemu.haproxy.backends import backend_name
from pileus.drivers.qemu.haproxy.quoted_words import quote_call, quote_format, quote_word

MATCHES: Mapping[str, str] = {
    L7CompareType.EQUAL_TO: "str",
    L7CompareType.STARTS_WITH: "beg",
    L7CompareType.ENDS_WITH: "end",
    L7CompareType.CONTAINS: "sub",
    L7CompareType.REGEX: "reg",
}
SAMPLES: Mapping[str, str] = {
    L7RuleType.HOST_NAME: "'req.hdr(host),host_only' -i",
    L7RuleType.PATH: "path",
    L7RuleType.FILE_TYPE: "'path,field(-1,.)'",
}
FUNCTIONS: Mapping[str, str] = {
    L7RuleType.HEADER: "req.fhdr",
    L7RuleType.COOKIE: "req.cook",
    L7RuleType.SSL_DN_FIELD: "ssl_c_s_dn",
}
POLICY = "txn.policy"


def policy_lines(policies: list[L7PolicySpec], rules: Mapping[str, list[L7RuleSpec]]) -> Iterator[str]:
    """Yield the lines of a frontend for its policies; one without rules never matches."""
    active = [policy for policy in policies if policy.admin_state_up and rules.get(policy.id)]
    ordered = sorted(active, key=lambda policy: policy.position)
    for policy in ordered:
        names = []
        for index, rule in enumerate(rules[policy.id]):
            name = f"p{policy.position}r{index}"
            yield f"acl {name} {_condition(rule)}"
            names.append(f"!{name}" if rule.invert else name)
        unset = f"!{{ var({POLICY}) -m found }}"
        yield f"http-request set-var({POLICY}) int({policy.position}) if {unset} {' '.join(names)}"
    for policy in ordered:
        yield f"{_action(policy)} if {{ var({POLICY}) -m int {policy.position} }}"


def _condition(rule: L7RuleSpec) -> str:
    if rule.type == L7RuleType.SSL_CONN_HAS_CERT:
        return "ssl_c_used"
    if rule.type == L7RuleType.SSL_VERIFY_RESULT:
        return f"ssl_c_verify -m int -- {int(rule.value)}"
    sample = SAMPLES.get(rule.type) or quote_call(FUNCTIONS[rule.type], rule.key or "")
    value = rule.value
    if rule.type == L7RuleType.FILE_TYPE and rule.compare_type == L7CompareType.EQUAL_TO:
        value = value.removeprefix(".")
    return f"{sample} -m {MATCHES[rule.compare_type]} -- {quote_word(value)}"


def _action(policy: L7PolicySpec) -> str:
    if policy.action == L7Action.REJECT:
        return "http-request deny"
    if policy.action == L7Action.REDIRECT_TO_POOL:
        return f"use_backend {backend_name(policy.redirect_pool_id or '', policy.listener_id)}"
    code = policy.redirect_http_code or 302
    if policy.action == L7Action.REDIRECT_PREFIX:
        return f"http-request redirect code {code} prefix {quote_format(policy.redirect_prefix or '')}"
    return f"http-request redirect code {code} location {quote_format(policy.redirect_url or '')}"
