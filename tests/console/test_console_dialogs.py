"""Dialogs of the web console: load balancers with their parts, certificates and file shares."""

import httpx
import pytest

from tests.certificates import CERTIFICATE
from tests.console.conftest import Browser
from tests.console.resources import PLACE, find_id, make, run_dialogs

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def balancer_id(browser: Browser, api: httpx.Client) -> str:
    """A load balancer that a dialog has made."""
    values = {"name": "edge", "preferred_connectivity": "L3"}
    run_dialogs(browser, {"path": "load_balancers?do=create", "values": values})
    return find_id(api, "loadbalancers", "edge")


@pytest.fixture
def listener_id(browser: Browser, api: httpx.Client, balancer_id: str) -> str:
    """A listener of the load balancer that a dialog has made."""
    values = {"name": "web", "protocol": "HTTP", "protocol_port": 8080, "allowed_cidrs": "10.0.0.0/8, 192.0.2.1/32"}
    (added,) = run_dialogs(browser, {"path": f"load_balancers/{balancer_id}?do=add_listener", "values": values})
    assert "--protocol-port 8080 --allowed-cidrs 10.0.0.0/8 --allowed-cidrs 192.0.2.1/32" in added["command"]
    return find_id(api, "lblisteners", "web")


def test_a_load_balancer_is_built_and_removed_in_dialogs(
    browser: Browser, api: httpx.Client, balancer_id: str, listener_id: str
) -> None:
    listener = f"listeners/{listener_id}"
    pool = {"name": "webs", "persistence": "APP_COOKIE", "cookie_name": "session"}
    run_dialogs(browser, {"path": f"{listener}?do=add_pool", "values": pool})
    pool_id = find_id(api, "lbpools", "webs")
    *_, edited, monitored = run_dialogs(
        browser,
        {"path": f"{listener}?do=edit", "values": {"allowed_cidrs": "", "connection_limit": 500}},
        {"path": f"pools/{pool_id}?do=add_member", "values": {"address": "10.0.0.7", "backup": True}},
        {"path": f"pools/{pool_id}", "row": "10.0.0.7", "press": "Edit", "values": {"weight": 20, "backup": False}},
        {"path": f"pools/{pool_id}?do=add_monitor", "values": {"type": "HTTP", "url_path": "/ready", "delay": 30}},
    )
    tree = browser.run("show", path=f"{PLACE}/load_balancers/{balancer_id}", text="10.0.0.7:80")
    view = api.get(f"/cloud/v1/lblisteners/1/1/{listener_id}").json()
    pool_view = api.get(f"/cloud/v1/lbpools/1/1/{pool_id}").json()

    assert (view["allowed_cidrs"], view["connection_limit"]) == (None, 500)
    assert edited["command"].endswith(f"--pool-id {pool_id} --weight 20 --no-backup")
    assert "/ready" in monitored["text"]
    assert (pool_view["members"][0]["weight"], pool_view["members"][0]["backup"]) == (20, False)
    assert (pool_view["session_persistence"]["cookie_name"], pool_view["healthmonitor"]["delay"]) == ("session", 30)
    assert [part in tree["text"] for part in ("Listener", "webs", "Health monitor")] == [True] * 3
    run_dialogs(
        browser,
        {"path": f"pools/{pool_id}", "press": "Delete"},
        {"path": f"pools/{pool_id}", "row": "10.0.0.7", "press": "Remove"},
        {"path": f"load_balancers/{balancer_id}?do=delete"},
    )
    assert api.get(f"/cloud/v1/lbpools/1/1/{pool_id}").status_code == 404


def test_an_l7_policy_gets_and_loses_a_rule_in_dialogs(browser: Browser, api: httpx.Client, listener_id: str) -> None:
    policy = {"name": "away", "action": "REDIRECT_TO_URL", "redirect_url": "https://example.com"}
    values = {**policy, "redirect_http_code": "301"}
    run_dialogs(browser, {"path": f"listeners/{listener_id}?do=add_policy", "values": values})
    policy_id = find_id(api, "l7policies", "away")
    rule = {"type": "HEADER", "key": "X-Old", "value": "yes"}
    run_dialogs(browser, {"path": f"l7_policies/{policy_id}?do=add_l7_rule", "values": rule})
    rules = api.get(f"/cloud/v1/l7policies/1/1/{policy_id}/rules").json()["results"]
    *_, removed = run_dialogs(browser, {"path": f"l7_policies/{policy_id}", "row": "X-Old", "press": "Delete"})

    assert api.get(f"/cloud/v1/l7policies/1/1/{policy_id}").json()["redirect_http_code"] == 301
    assert [(entry["type"], entry["key"], entry["value"]) for entry in rules] == [("HEADER", "X-Old", "yes")]
    assert "matches nothing" in removed["text"]
    (balancer_id,) = {entry["id"] for entry in api.get("/cloud/v1/loadbalancers/1/1?name=edge").json()["results"]}
    run_dialogs(browser, {"path": f"load_balancers/{balancer_id}?do=delete"})


def test_a_simulated_member_fails_and_answers_again(browser: Browser, api: httpx.Client) -> None:
    balancer = make(api, "loadbalancers", name="outage")["loadbalancers"][0]
    members = [{"address": "10.0.0.5", "protocol_port": 80}]
    monitor = {"type": "TCP", "delay": 2, "timeout": 1, "max_retries": 1, "max_retries_down": 1}
    pool = {"protocol": "TCP", "lb_algorithm": "ROUND_ROBIN", "load_balancer_id": balancer}
    (pool_id,) = make(api, "lbpools", name="outage", **pool, members=members, healthmonitor=monitor)["pools"]

    assert browser.run("fail_member", path=f"{PLACE}/pools/{pool_id}") == []


def test_a_certificate_and_a_file_share_live_in_dialogs(browser: Browser, api: httpx.Client) -> None:
    secret = {"name": "site", "certificate": CERTIFICATE.text, "private_key": CERTIFICATE.private_key}
    (network,) = make(api, "networks", name="storage")["networks"]
    make(api, "subnets", name="storage-a", network_id=network, cidr="10.9.0.0/24")
    share = {"name": "data", "size": 20, "network_id": "storage", "ip_address": "10.9.0.0/25", "access_mode": "ro"}
    run_dialogs(
        browser, {"path": "secrets?do=create", "values": secret}, {"path": "file_shares?do=create", "values": share}
    )
    share_id, secret_id = find_id(api, "file_shares", "data"), find_id(api, "secrets", "site")
    path = f"file_shares/{share_id}?tab=access_rules"
    added, _, removed, *_ = run_dialogs(
        browser,
        {"path": f"{path}&do=add_access_rule", "values": {"ip_address": "10.9.0.200"}},
        {"path": f"{path}&do=extend", "values": {"size": 30}},
        {"path": path, "row": "10.9.0.0/25", "press": "Remove"},
        {"path": f"secrets/{secret_id}?do=delete"},
    )

    assert added["command"] == (
        f"pileus file-share-access-rules create {share_id} --ip-address 10.9.0.200 --access-mode rw"
    )
    rules = api.get(f"/cloud/v1/file_shares/1/1/{share_id}/access_rule").json()["results"]
    assert [(rule["access_to"], rule["access_level"]) for rule in rules] == [("10.9.0.200", "rw")]
    assert "10.9.0.0/25" not in removed["text"]
    assert api.get(f"/cloud/v1/file_shares/1/1/{share_id}").json()["size"] == 30
    assert api.get(f"/cloud/v1/secrets/1/1/{secret_id}").status_code == 404
