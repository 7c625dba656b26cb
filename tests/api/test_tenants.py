"""Operators create tenants, users and keys over HTTP."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from pileus.domain.account.api_keys import ApiKey, hash_api_token
from pileus.store.account import api_keys
from tests.tenants import Tenant, client_of

PASSWORD = "correct horse battery"
MISSING = 987_654


async def create_tenant(tenant: Tenant, name: str = "acme") -> dict[str, Any]:
    answer = await tenant.operator.post("/_pileus/tenants", json={"name": name})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def create_key(tenant: Tenant, client_id: int, **body: Any) -> dict[str, Any]:
    answer = await tenant.operator.post(f"/_pileus/tenants/{client_id}/keys", json={"name": "pipeline", **body})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def request_status(tenant: Tenant, token: str) -> int:
    async with client_of(tenant.running, token) as client:
        return (await client.get("/cloud/v1/projects")).status_code


def in_days(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


async def test_a_new_tenant_has_a_project_and_works_with_its_key(tenant: Tenant) -> None:
    client = await create_tenant(tenant)
    key = await create_key(tenant, client["id"], role="Administrators")

    async with client_of(tenant.running, key["token"]) as api:
        projects = (await api.get("/cloud/v1/projects")).json()["results"]
        created = await api.post("/cloud/v1/projects", json={"name": "second"})
        refused = await api.get("/_pileus/tenants")

    assert [(project["client_id"], project["is_default"]) for project in projects] == [(client["id"], True)]
    assert (created.status_code, refused.status_code) == (201, 403)
    assert (await tenant.operator.get(f"/_pileus/tenants/{client['id']}")).json() == client


async def test_tenants_are_listed_in_pages(tenant: Tenant) -> None:
    first, second = await create_tenant(tenant, "first"), await create_tenant(tenant, "second")

    count = (await tenant.operator.get("/_pileus/tenants", params={"limit": 1})).json()["count"]
    pages = [
        (await tenant.operator.get("/_pileus/tenants", params={"limit": 1000, "offset": offset})).json()["results"]
        for offset in range(0, count + 1000, 1000)
    ]

    clients = [client for page in pages for client in page]
    assert [client for client in clients if client in (first, second)] == [first, second]
    assert (len(clients), pages[-1]) == (count, [])


async def test_a_key_is_shown_once_and_stored_as_a_digest(tenant: Tenant) -> None:
    key = await create_key(tenant, tenant.client_id, role="Users")
    token = key.pop("token")

    listed = (await tenant.operator.get(f"/_pileus/tenants/{tenant.client_id}/keys")).json()
    async with tenant.running.app_state.db.read() as tx:
        stored = await api_keys.TABLE.find_by_id(tx, key["id"])

    assert key in listed["results"]
    assert token not in str(listed)
    assert isinstance(stored, ApiKey)
    assert stored.digest == hash_api_token(token)
    assert await request_status(tenant, token) == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"role": "Operators"}, "role"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "tomorrow"}, "expires_at"),
        ({"name": "-"}, "name"),
    ],
)
async def test_an_invalid_key_is_400(tenant: Tenant, body: dict[str, str], field: str) -> None:
    answer = await tenant.operator.post(f"/_pileus/tenants/{tenant.client_id}/keys", json={"name": "pipeline", **body})

    assert (answer.status_code, list(answer.json()["invalid_fields"])) == (400, [field])


async def test_a_key_has_the_expiry_that_was_ordered(tenant: Tenant) -> None:
    key = await create_key(tenant, tenant.client_id, expires_at="2090-01-02T03:04:05+01:00")

    assert key["expires_at"] == "2090-01-02T02:04:05.000000"


async def test_a_revoked_key_is_refused_and_stays_in_the_list(tenant: Tenant) -> None:
    key = await create_key(tenant, tenant.client_id)
    path = f"/_pileus/tenants/{tenant.client_id}/keys/{key['id']}"
    before = await request_status(tenant, key["token"])

    revoked, again = await tenant.operator.delete(path), await tenant.operator.delete(path)
    rotated = await tenant.operator.post(f"{path}/rotate", json={})

    listed = (await tenant.operator.get(f"/_pileus/tenants/{tenant.client_id}/keys")).json()["results"]
    assert (before, revoked.status_code, await request_status(tenant, key["token"])) == (200, 204, 401)
    assert (again.status_code, rotated.status_code) == (409, 409)
    assert [entry["revoked_at"] is None for entry in listed if entry["id"] == key["id"]] == [False]


async def test_rotation_ends_the_old_token_at_once(tenant: Tenant) -> None:
    key = await create_key(tenant, tenant.client_id, expires_at=in_days(1))
    before = await request_status(tenant, key["token"])

    rotated = await tenant.operator.post(f"/_pileus/tenants/{tenant.client_id}/keys/{key['id']}/rotate", json={})

    statuses = [await request_status(tenant, token) for token in (key["token"], rotated.json()["token"])]
    assert (before, statuses) == (200, [401, 200])
    assert (rotated.json()["id"], rotated.json()["expires_at"]) == (key["id"], key["expires_at"])


async def test_rotation_with_a_grace_period_leaves_both_tokens_until_it_ends(tenant: Tenant) -> None:
    key = await create_key(tenant, tenant.client_id)
    path = f"/_pileus/tenants/{tenant.client_id}/keys/{key['id']}/rotate"

    second = (await tenant.operator.post(path, json={"grace_seconds": 3600})).json()
    during = [await request_status(tenant, token) for token in (key["token"], second["token"])]
    third = (await tenant.operator.post(path, json={"grace_seconds": 3600, "expires_at": in_days(2)})).json()
    after = [await request_status(tenant, token) for token in (key["token"], second["token"], third["token"])]

    assert (during, after) == ([200, 200], [401, 200, 200])
    assert second["previous_expires_at"] > second["created_at"]
    assert second["expires_at"] is None
    assert third["expires_at"] is not None


async def test_a_user_logs_in_until_deleted(tenant: Tenant) -> None:
    path = f"/_pileus/tenants/{tenant.client_id}/users"
    body = {"email": f"Ann-{tenant.client_id}@Example.com", "password": PASSWORD, "role": "Users"}

    user = (await tenant.operator.post(path, json=body)).json()
    taken = await tenant.operator.post(path, json=body)
    tokens = (await log_in(tenant, user["email"], PASSWORD)).json()
    listed = (await tenant.operator.get(path)).json()["results"]
    before = await bearer_status(tenant, tokens["access"])
    deleted = await tenant.operator.delete(f"{path}/{user['id']}")

    assert (user["email"], user["role"], user["can_log_in"]) == (body["email"].lower(), "Users", True)
    assert user in listed
    assert taken.status_code == 409
    assert (before, deleted.status_code, await bearer_status(tenant, tokens["access"])) == (200, 204, 401)


async def test_a_new_password_ends_the_logins(tenant: Tenant) -> None:
    path, email = f"/_pileus/tenants/{tenant.client_id}/users", f"bob-{tenant.client_id}@example.com"
    user = (await tenant.operator.post(path, json={"email": email, "password": PASSWORD})).json()
    tokens = (await log_in(tenant, email, PASSWORD)).json()

    changed = await tenant.operator.put(f"{path}/{user['id']}/password", json={"password": "another password"})

    assert (changed.status_code, await bearer_status(tenant, tokens["access"])) == (204, 401)
    assert (await log_in(tenant, email, PASSWORD)).status_code == 400
    assert (await log_in(tenant, email, "another password")).status_code == 200


async def test_the_owner_of_the_keys_cannot_be_deleted(tenant: Tenant) -> None:
    path = f"/_pileus/tenants/{tenant.client_id}/users"
    (owner,) = (await tenant.operator.get(path)).json()["results"]

    assert (await tenant.operator.delete(f"{path}/{owner['id']}")).status_code == 409


@pytest.mark.parametrize("email", ["ann", "@example.com", "a b@example.com"])
async def test_an_invalid_address_is_400(tenant: Tenant, email: str) -> None:
    body = {"email": email, "password": PASSWORD}

    answer = await tenant.operator.post(f"/_pileus/tenants/{tenant.client_id}/users", json=body)

    assert (answer.status_code, list(answer.json()["invalid_fields"])) == (400, ["email"])


async def test_users_and_keys_of_another_tenant_are_404(tenant: Tenant, stranger: Tenant) -> None:
    key = await create_key(tenant, tenant.client_id)
    (user,) = (await tenant.operator.get(f"/_pileus/tenants/{tenant.client_id}/users")).json()["results"]
    path = f"/_pileus/tenants/{stranger.client_id}"

    statuses = [
        (await tenant.operator.delete(f"{path}/keys/{key['id']}")).status_code,
        (await tenant.operator.post(f"{path}/keys/{key['id']}/rotate", json={})).status_code,
        (await tenant.operator.delete(f"{path}/users/{user['id']}")).status_code,
        (await tenant.operator.put(f"{path}/users/{user['id']}/password", json={"password": PASSWORD})).status_code,
    ]

    assert statuses == [404] * 4
    assert await request_status(tenant, key["token"]) == 200


@pytest.mark.parametrize("noun", ["", "/users", "/keys"])
async def test_a_missing_tenant_is_404(tenant: Tenant, noun: str) -> None:
    answer = await tenant.operator.get(f"/_pileus/tenants/{MISSING}{noun}")

    assert (answer.status_code, answer.json()["message"]) == (404, f"Client {MISSING} could not be found")


async def log_in(tenant: Tenant, email: str, password: str) -> httpx.Response:
    return await tenant.api.post("/iam/auth/jwt/login", json={"username": email, "password": password})


async def bearer_status(tenant: Tenant, access: str) -> int:
    answer = await tenant.api.get("/cloud/v1/projects", headers={"Authorization": f"Bearer {access}"})
    return answer.status_code


async def test_a_tenant_is_renamed(tenant: Tenant) -> None:
    client = await create_tenant(tenant)

    renamed = await tenant.operator.patch(f"/_pileus/tenants/{client['id']}", json={"name": "other"})

    assert (renamed.status_code, renamed.json()) == (200, {**client, "name": "other"})
    assert (await tenant.operator.get(f"/_pileus/tenants/{client['id']}")).json() == renamed.json()
    refused = await tenant.operator.patch(f"/_pileus/tenants/{client['id']}", json={"name": ""})
    assert refused.status_code == 400


async def login_status(tenant: Tenant, email: str) -> int:
    async with client_of(tenant.running, None) as api:
        login = {"username": email, "password": PASSWORD}
        return (await api.post("/iam/auth/jwt/login", json=login)).status_code


async def test_a_tenant_that_has_nothing_is_deleted_with_its_keys_and_users(tenant: Tenant) -> None:
    client = await create_tenant(tenant)
    path = f"/_pileus/tenants/{client['id']}"
    key = await create_key(tenant, client["id"], role="Administrators")
    email = f"user-{client['id']}@example.org"
    user = {"email": email, "password": PASSWORD}
    await tenant.operator.post(f"{path}/users", json=user)
    async with client_of(tenant.running, key["token"]) as api:
        # The first look at security groups creates the default one, which does not count.
        project_id = (await api.get("/cloud/v1/projects")).json()["results"][0]["id"]
        assert (await api.get(f"/cloud/v1/securitygroups/{project_id}/1")).json()["count"] == 1

    before = await login_status(tenant, email)
    deleted = await tenant.operator.delete(path)

    assert deleted.status_code == 204
    assert await request_status(tenant, key["token"]) == 401
    assert (before, await login_status(tenant, email)) == (200, 400)
    for refused in (
        await tenant.operator.get(path),
        await tenant.operator.delete(path),
        await tenant.operator.patch(path, json={"name": "again"}),
        await tenant.operator.post(f"{path}/keys", json={"name": "late"}),
        await tenant.operator.post(f"{path}/users", json=user),
        await tenant.operator.get(f"{path}/users"),
    ):
        assert refused.status_code == 404
    page = (await tenant.operator.get("/_pileus/tenants", params={"limit": 1000})).json()
    assert client["id"] not in {listed["id"] for listed in page["results"]}
    # The address of the user is free again.
    assert (await tenant.operator.post(f"/_pileus/tenants/{tenant.client_id}/users", json=user)).status_code == 201


async def test_a_tenant_in_use_is_not_deleted(tenant: Tenant, stranger: Tenant) -> None:
    path = f"/_pileus/tenants/{stranger.client_id}"

    second = (await stranger.api.post("/cloud/v1/projects", json={"name": "second"})).json()
    with_projects = await tenant.operator.delete(path)
    await stranger.wait_until_finished(await stranger.api.delete(f"/cloud/v1/projects/{second['id']}"))
    await stranger.wait_until_finished(await stranger.api.post(stranger.path("floatingips"), json={}))
    with_resources = await tenant.operator.delete(path)
    projects = await stranger.api.get("/cloud/v1/projects")

    answers = (with_projects, with_resources)
    assert [answer.status_code for answer in answers] == [409, 409]
    assert "has projects besides the default one: delete them first" in with_projects.json()["message"]
    assert "has floating ips: delete them first" in with_resources.json()["message"]
    assert (projects.status_code, projects.json()["count"]) == (200, 1)


async def test_the_tenants_of_operators_are_not_deleted(tenant: Tenant) -> None:
    own = await tenant.operator.delete(f"/_pileus/tenants/{tenant.client_id}")

    assert (own.status_code, own.json()["message"]) == (
        409,
        f"Tenant {tenant.client_id} is your own: another operator's key can delete it",
    )


async def test_acts_of_operators_are_logged(tenant: Tenant, caplog: pytest.LogCaptureFixture) -> None:
    client = await create_tenant(tenant)
    with caplog.at_level("INFO", "pileus.operators"):
        answer = await tenant.operator.patch(f"/_pileus/tenants/{client['id']}", json={"name": "other"})
        await tenant.operator.get("/_pileus/tenants")

    (record,) = [record for record in caplog.records if record.name == "pileus.operators"]
    facts = vars(record)
    assert record.getMessage() == "An operator acts"
    assert (facts["operation"], facts["path"]) == ("update_tenant", f"/_pileus/tenants/{client['id']}")
    assert facts["request_id"] == answer.headers["x-request-id"]
    assert facts["key_id"] is not None
