"""Pools of load balancers: their settings, protocols, members and health monitors."""

from typing import Any

import pytest
from msgspec.structs import replace

from pileus.domain.errors import Conflict, Invalid, NotFound
from pileus.domain.limits import POOL_MEMBERS
from pileus.domain.load_balancers.listeners import ListenerProtocol
from pileus.domain.load_balancers.member_changes import (
    MemberPatch,
    member_with_patch,
    plan_member_addition,
    plan_replaced_members,
    require_member,
)
from pileus.domain.load_balancers.monitor_settings import MonitorSettings, complete_monitor_settings
from pileus.domain.load_balancers.pool_changes import (
    MonitorReplacement,
    PoolPatch,
    check_pool_removable,
    monitor_with_patch,
    plan_monitor_replacement,
    pool_with_patch,
)
from pileus.domain.load_balancers.pool_orders import NewMember, NewPool, plan_pool
from pileus.domain.load_balancers.pool_protocols import (
    check_has_l7_policies,
    check_pool_accepted,
    is_pool_accepted,
)
from pileus.domain.load_balancers.pools import PoolProtocol, SessionPersistence
from tests.domain.load_balancers import a_member, a_monitor, a_policy, a_pool, an_origin
from tests.load_balancers import a_listener

CHECK: dict[str, Any] = {"type": "TCP", "delay": 10, "timeout": 5, "max_retries": 2}
ACCEPTED = {
    "TCP": {"HTTP", "HTTPS", "PROXY", "PROXYV2", "TCP"},
    "HTTP": {"HTTP", "PROXY", "PROXYV2"},
    "HTTPS": {"HTTPS", "PROXY", "PROXYV2", "TCP"},
    "TERMINATED_HTTPS": {"HTTP", "PROXY", "PROXYV2"},
    "UDP": {"UDP"},
    "PROMETHEUS": set(),
}


def an_order(**changes: Any) -> NewPool:
    """Return the order of an HTTP pool."""
    return NewPool(**{"name": "web", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", **changes})


def a_target(address: str = "10.0.0.5", port: int = 80, **changes: Any) -> NewMember:
    """Return the order of a member."""
    return NewMember(address=address, protocol_port=port, **changes)


@pytest.mark.parametrize("listener", sorted(ListenerProtocol))
def test_a_listener_accepts_the_documented_protocols_of_pools(listener: str) -> None:
    accepted = {protocol.value for protocol in PoolProtocol if is_pool_accepted(listener, a_pool(protocol=protocol))}

    assert accepted == ACCEPTED[listener]


@pytest.mark.parametrize("secret", ["secret_id", "ca_secret_id"])
def test_an_https_pool_with_a_secret_is_accepted_where_the_load_balancer_encrypts(secret: str) -> None:
    pool = a_pool(protocol="HTTPS", **{secret: "s-1"})

    assert is_pool_accepted("TERMINATED_HTTPS", pool)
    assert is_pool_accepted("HTTP", pool)
    assert not is_pool_accepted("UDP", pool)


def test_a_pool_that_a_listener_cannot_use_is_refused_with_the_choices() -> None:
    with pytest.raises(Invalid, match="it takes HTTPS, PROXY, PROXYV2, TCP") as problem:
        check_pool_accepted("HTTPS", a_pool(protocol="UDP"), "default_pool_id")

    assert list(problem.value.fields) == ["default_pool_id"]
    with pytest.raises(Invalid, match="it has no pools"):
        check_pool_accepted("PROMETHEUS", a_pool())


@pytest.mark.parametrize("protocol", ["TCP", "UDP", "HTTPS", "PROMETHEUS"])
def test_listeners_that_do_not_read_http_have_no_l7_policies(protocol: str) -> None:
    check_has_l7_policies(a_listener(protocol="TERMINATED_HTTPS"))
    with pytest.raises(Invalid):
        check_has_l7_policies(a_listener(protocol=protocol))


def test_a_pool_is_planned_with_its_members_and_its_monitor() -> None:
    order = an_order(members=[a_target("2001:DB8::5"), a_target(weight=7)], health_monitor=MonitorSettings(**CHECK))

    parts = plan_pool(an_origin(), order)

    (pool,), (monitor,) = parts.pools, parts.health_monitors
    assert (pool.load_balancer_id, pool.provisioning_status, pool.operating_status) == (
        "b-1",
        "PENDING_CREATE",
        "OFFLINE",
    )
    assert [(member.address, member.weight, member.pool_id) for member in parts.members] == [
        ("2001:db8::5", 1, pool.id),
        ("10.0.0.5", 7, pool.id),
    ]
    assert (monitor.pool_id, monitor.max_retries_down, monitor.http_method) == (pool.id, 3, None)
    assert len({part.id for part in (pool, monitor, *parts.members)}) == 4


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"crl_secret_id": "s-1"}, ["crl_secret_id"]),
        ({"members": [a_target("10.0.0.256")]}, ["members", "0", "address"]),
        ({"members": [a_target("fe80::1%eth0")]}, ["members", "0", "address"]),
        ({"members": [a_target(), a_target(monitor_address="x")]}, ["members", "1", "monitor_address"]),
        ({"members": [a_target("::1"), a_target("0::1")]}, ["members", "1", "address"]),
        ({"health_monitor": MonitorSettings(**{**CHECK, "timeout": 10})}, ["healthmonitor", "timeout"]),
        ({"session_persistence": SessionPersistence("APP_COOKIE")}, ["session_persistence", "cookie_name"]),
        ({"session_persistence": SessionPersistence("APP_COOKIE", "a b")}, ["session_persistence", "cookie_name"]),
        ({"session_persistence": SessionPersistence("SOURCE_IP", "sid")}, ["session_persistence", "cookie_name"]),
        (
            {"session_persistence": SessionPersistence("SOURCE_IP", persistence_timeout=9)},
            ["session_persistence", "persistence_timeout"],
        ),
        (
            {"protocol": "UDP", "session_persistence": SessionPersistence("HTTP_COOKIE")},
            ["session_persistence", "type"],
        ),
        (
            {
                "protocol": "UDP",
                "session_persistence": SessionPersistence("SOURCE_IP", persistence_granularity="255.0.255.0"),
            },
            ["session_persistence", "persistence_granularity"],
        ),
    ],
)
def test_a_contradictory_pool_is_refused_by_the_path_of_the_field(changes: dict[str, Any], path: list[str]) -> None:
    with pytest.raises(Invalid) as problem:
        plan_pool(an_origin(), an_order(**changes))

    errors: Any = problem.value.fields
    for name in path:
        assert list(errors) == [name]
        errors = errors[name]
    assert errors


@pytest.mark.parametrize(
    "persistence",
    [
        SessionPersistence("HTTP_COOKIE"),
        SessionPersistence("HTTP_COOKIE", "session"),
        SessionPersistence("APP_COOKIE", "JSESSIONID"),
        SessionPersistence("SOURCE_IP"),
    ],
)
def test_session_persistence_of_http_pools(persistence: SessionPersistence) -> None:
    assert plan_pool(an_origin(), an_order(session_persistence=persistence)).pools[0].session_persistence == persistence


@pytest.mark.parametrize("granularity", ["255.255.255.0", "64", "128", None])
def test_udp_pools_keep_clients_by_source_for_a_time(granularity: str | None) -> None:
    persistence = SessionPersistence("SOURCE_IP", None, granularity, 600)

    assert plan_pool(an_origin(), an_order(protocol="UDP", session_persistence=persistence)).pools


@pytest.mark.parametrize("protocol", ["HTTP", "HTTPS"])
def test_a_monitor_of_http_checks_the_start_page_by_default(protocol: str) -> None:
    settings = complete_monitor_settings(MonitorSettings(**{**CHECK, "type": protocol}), "HTTP")

    assert (settings.http_method, settings.url_path, settings.expected_codes) == ("GET", "/", "200")
    assert (settings.http_version, settings.domain_name) == (None, None)


@pytest.mark.parametrize(
    ("changes", "pool_protocol", "field"),
    [
        ({"timeout": 10}, "TCP", "timeout"),
        ({"type": "UDP-CONNECT"}, "TCP", "type"),
        ({"type": "PING"}, "UDP", "type"),
        ({"type": "UDP-CONNECT", "delay": 2, "timeout": 1}, "UDP", "delay"),
        ({"url_path": "/"}, "TCP", "url_path"),
        ({"type": "PING", "http_method": "GET"}, "TCP", "http_method"),
        ({"type": "TLS-HELLO", "expected_codes": "200"}, "TCP", "expected_codes"),
        ({"type": "HTTP", "domain_name": "a.example"}, "HTTP", "domain_name"),
        ({"type": "HTTP", "domain_name": "a.example", "http_version": "1.0"}, "HTTP", "domain_name"),
        ({"type": "HTTP", "url_path": "//a"}, "HTTP", "url_path"),
        ({"type": "HTTP", "expected_codes": "2xx"}, "HTTP", "expected_codes"),
        ({"type": "HTTP", "expected_codes": "204-200"}, "HTTP", "expected_codes"),
        ({"type": "HTTP", "expected_codes": "200,204-206"}, "HTTP", "expected_codes"),
        ({"type": "HTTP", "expected_codes": "999"}, "HTTP", "expected_codes"),
    ],
)
def test_a_monitor_that_cannot_work_is_refused(changes: dict[str, Any], pool_protocol: str, field: str) -> None:
    with pytest.raises(Invalid) as problem:
        complete_monitor_settings(MonitorSettings(**{**CHECK, **changes}), pool_protocol)

    assert list(problem.value.fields) == [field]


@pytest.mark.parametrize(
    ("changes", "pool_protocol"),
    [
        ({"type": "UDP-CONNECT", "delay": 3, "timeout": 1}, "UDP"),
        ({"type": "HTTP"}, "UDP"),
        ({"type": "K8S"}, "TCP"),
        ({"type": "HTTPS", "domain_name": "a.example", "http_version": "1.1", "expected_codes": "200-299"}, "HTTPS"),
        ({"type": "HTTP", "expected_codes": "200,204, 301", "http_method": "HEAD", "url_path": "/up"}, "HTTP"),
    ],
)
def test_monitors_that_work(changes: dict[str, Any], pool_protocol: str) -> None:
    settings = complete_monitor_settings(MonitorSettings(**{**CHECK, **changes}), pool_protocol)

    assert all(getattr(settings, name) == value for name, value in changes.items())


def test_a_change_of_a_pool_is_checked_against_its_listeners_and_its_monitor() -> None:
    pool = a_pool()

    renamed = pool_with_patch(pool, PoolPatch(name="other", timeout_member_data=0), [a_listener()], a_monitor())

    assert renamed == replace(pool, name="other", timeout_member_data=0)
    with pytest.raises(Invalid, match="A listener of protocol HTTP cannot use a pool of protocol TCP"):
        pool_with_patch(pool, PoolPatch(protocol="TCP"), [a_listener()], None)
    with pytest.raises(Invalid, match="healthmonitor"):
        pool_with_patch(pool, PoolPatch(protocol="UDP"), [], a_monitor(type="PING"))
    with pytest.raises(Invalid, match="crl_secret_id"):
        pool_with_patch(pool, PoolPatch(crl_secret_id="s-1"), [], None)


def test_a_monitor_patch_keeps_what_it_does_not_name_and_null_is_the_default() -> None:
    monitor = a_monitor(type="HTTP", http_method="HEAD", url_path="/up", expected_codes="204")

    patched = monitor_with_patch(monitor, {"delay": 30, "url_path": None, "http_method": None}, "HTTP")

    assert patched == replace(monitor, delay=30, url_path="/", http_method="GET")
    with pytest.raises(Invalid, match="timeout"):
        monitor_with_patch(monitor, {"timeout": 11}, "HTTP")


def test_a_replaced_monitor_keeps_its_id_and_its_type() -> None:
    replacement = MonitorReplacement(delay=30, timeout=9, max_retries=1)

    replaced = plan_monitor_replacement(an_origin(), a_pool(), a_monitor(), replacement)

    assert replaced == a_monitor(delay=30, timeout=9, max_retries=1)
    with pytest.raises(Invalid, match="cannot be changed"):
        plan_monitor_replacement(an_origin(), a_pool(), a_monitor(), replace(replacement, type="HTTP"))


def test_a_first_monitor_needs_a_type() -> None:
    replacement = MonitorReplacement(delay=30, timeout=9, max_retries=1)

    with pytest.raises(Invalid, match="Field required"):
        plan_monitor_replacement(an_origin(), a_pool(), None, replacement)

    monitor = plan_monitor_replacement(an_origin(), a_pool(), None, replace(replacement, type="HTTP"))
    assert (monitor.id, monitor.url_path) == ("new-1", "/")


def test_a_pool_that_a_policy_redirects_to_cannot_be_deleted() -> None:
    check_pool_removable(a_pool(), [])
    with pytest.raises(Conflict, match="policy-1"):
        check_pool_removable(a_pool(), [a_policy()])


def test_a_second_member_with_address_and_port_is_a_conflict() -> None:
    existing = [a_member(address="2001:db8::1")]

    added = plan_member_addition(an_origin(), "pool-1", existing, a_target("2001:db8::1", 81))

    assert (added.id, added.protocol_port) == ("new-1", 81)
    with pytest.raises(Conflict, match="has a member 2001:db8::1:80 already"):
        plan_member_addition(an_origin(), "pool-1", existing, a_target("2001:0db8::1"))


def test_a_pool_has_a_limited_number_of_members() -> None:
    full = [a_member(id=f"member-{port}", protocol_port=port) for port in range(1, POOL_MEMBERS.value + 1)]

    with pytest.raises(Invalid, match="at most 250 items"):
        plan_member_addition(an_origin(), "pool-1", full, a_target(port=9999))


def test_a_member_that_keeps_address_and_port_keeps_its_id() -> None:
    kept = a_member(subnet_id="subnet-1", instance_id="i-1")
    changed, gone = replace(kept, id="member-2", protocol_port=81), replace(kept, id="member-3", protocol_port=82)
    orders = [a_target(), a_target(port=81, weight=5, instance_id="i-2"), a_target(port=83)]

    changes = plan_replaced_members(an_origin(), "pool-1", [kept, changed, gone], orders)

    assert changes.before == [changed]
    assert changes.after == [replace(changed, weight=5, instance_id="i-2")]
    assert [(member.id, member.protocol_port) for member in changes.added] == [("new-1", 83)]
    assert changes.removed == [gone]


def test_the_same_members_again_are_no_change() -> None:
    changes = plan_replaced_members(an_origin(), "pool-1", [a_member()], [a_target()])

    assert changes.is_empty
    assert not plan_replaced_members(an_origin(), "pool-1", [a_member()], []).is_empty


@pytest.mark.parametrize(
    ("patch", "changes"),
    [
        ({}, {}),
        ({"weight": 9, "backup": True}, {"weight": 9, "backup": True}),
        ({"monitor_address": "2001:DB8::1"}, {"monitor_address": "2001:db8::1"}),
        ({"monitor_address": None, "monitor_port": None}, {"monitor_address": None, "monitor_port": None}),
    ],
)
def test_a_patch_of_a_member(patch: MemberPatch, changes: dict[str, Any]) -> None:
    member = a_member(monitor_address="10.0.0.9", monitor_port=99)

    assert member_with_patch(member, patch) == replace(member, **changes)


def test_a_member_of_another_pool_is_not_found() -> None:
    assert require_member([a_member()], "member-1") == a_member()
    with pytest.raises(NotFound):
        require_member([a_member()], "member-2")
