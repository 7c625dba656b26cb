"""The account in the web console: sign-in with a password, keys, users, subscriptions, quotas and costs."""

import csv
from pathlib import Path

import httpx
import pytest

from tests.console.conftest import Browser
from tests.console.resources import PLACE, make, run_dialogs
from tests.servers import wait_until
from tests.subscribers import received_requests, set_answers, subscriber_url

pytestmark = pytest.mark.timeout(180)
PASSWORD = "a long pass phrase"  # a user of these tests
KEYS = "/_pileus/tenants/1/keys"


def test_a_user_signs_in_with_a_password_and_the_session_is_renewed(browser: Browser, api: httpx.Client) -> None:
    user = {"email": "reader@example.com", "password": PASSWORD, "role": "Users"}
    api.post("/_pileus/tenants/1/users", json=user)

    path = f"{PLACE}/networks"
    result = browser.run("password_sign_in", email=user["email"], password=PASSWORD, path=path, heading="Networks")

    assert "Unable to log in" in result["refusal"]
    assert result["renewed"].startswith("access_")
    assert result["tabs"] == [result["renewed"]] * 2
    assert result["errors"] == []


def test_the_stream_of_changes_ends_with_the_session(browser: Browser, api: httpx.Client) -> None:
    emails = ["leaving@example.com", "coming@example.com"]
    for email in emails:
        api.post("/_pileus/tenants/1/users", json={"email": email, "password": PASSWORD, "role": "Users"})

    path = f"{PLACE}/ssh_keys"
    result = browser.run("streams_of_two_users", emails=emails, password=PASSWORD, path=path, name="a change")

    assert result["failure"] == "net::ERR_ABORTED"
    assert result["authorization"] == f"Bearer {result['session']}"
    assert result.get("position") is None
    assert result["errors"] == []


def test_a_token_renewed_in_one_tab_leaves_the_session_of_another_user_alone(
    browser: Browser, api: httpx.Client
) -> None:
    emails = ["first@example.com", "second@example.com"]
    for email in emails:
        api.post("/_pileus/tenants/1/users", json={"email": email, "password": PASSWORD, "role": "Users"})

    result = browser.run("two_users", emails=emails, password=PASSWORD, path=f"{PLACE}/networks")

    assert result["after"] == result["before"]
    assert result["renewed"].split("_")[1] != result["after"].split("_")[1]
    assert result["names"] == ["first", "second"]
    assert result["errors"] == []


def test_a_key_is_made_shown_once_and_revoked(browser: Browser, api: httpx.Client) -> None:
    token = browser.run("create_key", path=f"{PLACE}/keys?do=create", name="from the console")
    (key,) = [entry for entry in api.get(KEYS).json()["results"] if entry["name"] == "from the console"]
    headers = {"Authorization": f"APIKey {token}"}
    before = api.get("/cloud/v1/projects", headers=headers).status_code
    (revoked,) = run_dialogs(browser, {"path": "keys", "row": "from the console", "press": "Revoke"})

    assert (key["role"], before) == ("Engineers", 200)
    assert token not in revoked["text"]
    assert api.get("/cloud/v1/projects", headers=headers).status_code == 401


def test_a_user_is_made_gets_a_new_password_and_is_deleted(browser: Browser, api: httpx.Client) -> None:
    values = {"email": "made@example.com", "password": PASSWORD, "role": "Engineers"}
    run_dialogs(
        browser,
        {"path": "users?do=create", "values": values},
        {"path": "users", "row": "made@example.com", "press": "New password", "values": {"password": f"{PASSWORD} 2"}},
    )
    login = {"username": "made@example.com", "password": f"{PASSWORD} 2"}
    answer = api.post("/iam/auth/jwt/login", json=login)
    (deleted,) = run_dialogs(browser, {"path": "users", "row": "made@example.com", "press": "Delete"})

    assert answer.status_code == 200
    assert "made@example.com" not in deleted["text"]


def test_a_subscription_shows_its_deliveries(browser: Browser, api: httpx.Client) -> None:
    set_answers("/console", *[503] * 50)
    url = subscriber_url("/console")
    values = {"url": url, "auth_header_name": "Authorization", "auth_header_value": "Bearer hunter2"}
    run_dialogs(browser, {"path": "subscriptions?do=create", "values": values})
    api.post("/cloud/v1/ssh_keys/1", json={"name": "delivered"})
    wait_until(lambda: api.get("/_pileus/subscriptions").json()[0]["failures"] > 0)
    page = browser.run("show", path=f"{PLACE}/subscriptions", text=url)
    run_dialogs(browser, {"path": "subscriptions?do=unsubscribe"})

    assert "webhook" in page["text"]
    assert "hunter2" not in page["text"]
    assert received_requests("/console") == []
    assert api.get("/_pileus/subscriptions").json() == []


def test_a_higher_quota_is_requested_and_granted(browser: Browser, api: httpx.Client) -> None:
    before = api.get("/cloud/v2/client_quotas").json()["global_quotas"]["keypair_count_limit"]

    assert browser.run("ask_for_quota", path=f"{PLACE}/quotas", name="keypair", limit=before + 5) == []
    assert api.get("/cloud/v2/client_quotas").json()["global_quotas"]["keypair_count_limit"] == before + 5


def test_costs_are_shown_by_day_type_and_tag_and_saved(browser: Browser, api: httpx.Client, tmp_path: Path) -> None:
    make(api, "volumes", name="billed", size=100, source="new-volume", tags={"team": "=blue"})
    api.post("/_pileus/clock/advance", json={"seconds": 2 * 86400})
    result = browser.run("costs", path=f"{PLACE}/costs", file=str(tmp_path / "costs.csv"))
    api.delete("/_pileus/clock")
    with (tmp_path / "costs.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["last_name"] == "billed"]

    days = [float(day.rpartition("€")[2]) for day in result["days"].split("; ")]
    assert (len(days), days[:4]) == (7, [0.0] * 4)
    assert sum(days) == pytest.approx(float(result["total"].removeprefix("€")), abs=0.001)
    assert "volume" in result["text"]
    assert "=blue" in result["text"]
    assert [row["tag:team"] for row in rows] == ["'=blue"]
    assert float(rows[0]["cost"]) > 0
    assert result["errors"] == []
