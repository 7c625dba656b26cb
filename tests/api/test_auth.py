"""Authentication by API key."""

import logging
from typing import Any

import httpx
import pytest

from pileus.domain.account.access import ALLOWED, Access, Role
from pileus.domain.account.api_keys import ApiKey, hash_api_token
from pileus.store import counters
from pileus.store.account import api_keys
from pileus.store.database import Tx
from tests.builders import an_instance
from tests.tenants import Tenant, client_of

NOT_AUTHENTICATED = "not_authenticated"
NOT_VALID = "token_not_valid"
MISSING = "Authentication credentials were not provided."
WRONG_SCHEME = "Given token not valid for any token type"
UNAUTHORIZED = "UnauthorizedError"
UNKNOWN = "Invalid <APIKey> authentication token: "


async def request(tenant: Tenant, header: str | None) -> httpx.Response:
    headers = {} if header is None else {"Authorization": header}
    async with client_of(tenant.running, None) as client:
        return await client.get(tenant.path("instances", "x"), headers=headers)


async def add_key(tenant: Tenant, secret: str, **changes: Any) -> str:
    """Add a key with a known secret; return its token."""

    async def write(tx: Tx) -> str:
        number = await counters.increment(tx, "api_keys")
        token = f"{number}_{secret}"
        fields = {"id": number, "client_id": tenant.client_id, "user_id": tenant.client_id, "name": "mine"}
        key = ApiKey(
            **{**fields, "role": Role.ENGINEERS.value, "digest": hash_api_token(token), "created_at": 0, **changes}
        )
        await api_keys.add(tx, key)
        return token

    return await tenant.running.app_state.db.write(write)


def error_of(answer: httpx.Response) -> tuple[int, str, str]:
    body = answer.json()
    assert set(body) == {"exception_class", "message", "request_id"}
    assert body["request_id"] == answer.headers["x-request-id"] == answer.headers["request_id"]
    return answer.status_code, body["exception_class"], body["message"]


@pytest.mark.parametrize("scheme", ["APIKey", "apikey", "APIKEY", "ApiKey"])
@pytest.mark.parametrize("space", [" ", "  ", "   "])
async def test_the_scheme_is_case_insensitive(tenant: Tenant, scheme: str, space: str) -> None:
    answer = await request(tenant, f"{scheme}{space}{tenant.tokens[Role.USERS]}")

    assert answer.json()["message"] == "Instance x could not be found"


async def test_the_header_name_is_case_insensitive(tenant: Tenant) -> None:
    async with client_of(tenant.running, None) as client:
        headers = {"aUTHORIZATION": f"APIKey {tenant.tokens[Role.USERS]}"}
        answer = await client.get(tenant.path("instances", "x"), headers=headers)

    assert answer.status_code == 404


@pytest.mark.parametrize("header", [None, ""])
async def test_missing_credentials_are_reported(tenant: Tenant, header: str | None) -> None:
    assert error_of(await request(tenant, header)) == (401, NOT_AUTHENTICATED, MISSING)


@pytest.mark.parametrize("scheme", ["Bearer", "Basic", "Token", "APIKeys"])
async def test_another_scheme_is_rejected(tenant: Tenant, scheme: str) -> None:
    header = f"{scheme} {tenant.tokens[Role.USERS]}"

    assert error_of(await request(tenant, header)) == (401, NOT_VALID, WRONG_SCHEME)


@pytest.mark.parametrize(
    ("token", "masked"),
    [
        ("12345", "*****"),
        ("12345_", "*****"),
        ("12345_short", "*****"),
        ("", "*****"),
        ("_secret-without-number", "*****"),
        ("12345_" + "x" * 33, "*****"),
        ("12345_" + "x" * 34, "12345*****xxxxx"),
        ("x" * 500, "xxxxx*****xxxxx"),
    ],
)
async def test_a_wrong_key_is_reported_masked(tenant: Tenant, token: str, masked: str) -> None:
    """A short key is not shown at all."""
    assert error_of(await request(tenant, f"APIKey {token}")) == (401, UNAUTHORIZED, f"{UNKNOWN}{masked}")


@pytest.mark.parametrize(
    "alter", [lambda token: token[:-1] + "?", lambda token: token + "0", lambda token: f"9{token}"]
)
async def test_an_unknown_token_is_reported_like_an_expired_one(tenant: Tenant, alter: Any) -> None:
    token = alter(tenant.tokens[Role.ADMINISTRATORS])

    message = f"{UNKNOWN}{token[:5]}*****{token[-5:]}"
    assert error_of(await request(tenant, f"APIKey {token}")) == (401, UNAUTHORIZED, message)


async def test_both_separators_of_tokens_are_accepted(tenant: Tenant) -> None:
    async def write(tx: Tx) -> str:
        number = await counters.increment(tx, "api_keys")
        token = f"{number}$an-older-secret"
        fields: dict[str, Any] = {
            "id": number,
            "client_id": tenant.client_id,
            "user_id": tenant.client_id,
            "name": "old",
        }
        await api_keys.add(tx, ApiKey(**fields, role=Role.USERS.value, digest=hash_api_token(token), created_at=0))
        return token

    token = await tenant.running.app_state.db.write(write)

    assert (await request(tenant, f"APIKey {token}")).status_code == 404


async def test_a_key_is_valid_until_it_expires(tenant: Tenant) -> None:
    now = tenant.running.app_state.now()
    good = await add_key(tenant, "still-good-for-a-while", expires_at=now + 60_000_000)
    over = await add_key(tenant, "over-since-a-moment", expires_at=now)

    assert (await request(tenant, f"APIKey {good}")).status_code == 404
    assert error_of(await request(tenant, f"APIKey {over}")) == (401, UNAUTHORIZED, f"{UNKNOWN}*****")


async def test_a_revoked_key_is_invalid_at_once(tenant: Tenant) -> None:
    token = await add_key(tenant, "soon-to-be-revoked")
    assert (await request(tenant, f"APIKey {token}")).status_code == 404

    number, cloud = int(token.partition("_")[0]), tenant.running.app_state
    assert await cloud.db.write(lambda tx: api_keys.revoke(tx, number, cloud.now()))

    assert error_of(await request(tenant, f"APIKey {token}")) == (401, UNAUTHORIZED, f"{UNKNOWN}*****")


async def test_a_key_is_stored_only_as_a_digest(tenant: Tenant) -> None:
    token = await add_key(tenant, "nobody-reads-this-anywhere")

    async with tenant.running.app_state.db.read() as tx:
        row = await tx.one("SELECT * FROM api_keys WHERE id = :id", id=int(token.partition("_")[0]))

    assert "nobody-reads-this-anywhere" not in str(row)


async def test_keys_are_never_logged(tenant: Tenant, caplog: pytest.LogCaptureFixture) -> None:
    good, bad = tenant.tokens[Role.ADMINISTRATORS], "4711_a-secret-that-is-wrong"
    with caplog.at_level(logging.DEBUG):
        instance = await an_instance(tenant)
        for token in (good, bad):
            async with client_of(tenant.running, token) as client:
                await client.get(tenant.path("instances", instance.id))
                await client.patch(tenant.path("instances", instance.id), json={"name": "!"})
                await client.get(f"/cloud/v1/instances/0/0/{token}-in-a-path"[:20])

    text = caplog.text + "".join(str(vars(record)) for record in caplog.records if record.name.startswith("pileus"))
    assert good.partition("_")[2] not in text
    assert "a-secret-that-is-wrong" not in text


@pytest.mark.parametrize("role", list(Role))
async def test_each_role_has_its_documented_access(tenant: Tenant, role: Role) -> None:
    instance = await an_instance(tenant)
    client, path = tenant.clients[role], tenant.path("instances", instance.id)

    reading, writing = await client.get(path), await client.patch(path, json={"tags": {}})
    administering = await client.get("/_pileus/faults")

    assert reading.status_code == 200
    assert writing.status_code == (200 if Access.WRITE in ALLOWED[role] else 403)
    assert administering.status_code == (200 if Access.ADMINISTER in ALLOWED[role] else 403)
    for answer in (writing, administering):
        if answer.status_code == 403:
            text = f"The role {role} does not allow this operation"
            assert error_of(answer) == (403, "ForbiddenError", text)


async def test_forbidden_wins_over_an_invalid_request(tenant: Tenant) -> None:
    answer = await tenant.clients[Role.USERS].patch(tenant.path("instances", "x"), content=b"not json")

    assert answer.status_code == 403
