"""Logins of users with a password: tokens, their refresh and their end."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from threading import Thread
from typing import Any, cast

import httpx
import pytest

from pileus.api.login_limits import MOST_PER_USER
from pileus.domain.account.access import Role
from pileus.domain.account.login_sessions import ACCESS_LIFETIME, GRACE, MAX_SESSIONS, SECOND
from pileus.domain.account.users import User
from pileus.domain.errors import Conflict
from pileus.services.account import logins, passwords
from pileus.store.account import login_sessions
from pileus.store.database import Tx
from pileus.users import UserAdmin
from tests.tenants import Tenant, client_of

LOGIN, REFRESH = "/iam/auth/jwt/login", "/iam/auth/jwt/refresh"
PASSWORD = "correct horse battery"
BAD_LOGIN = (400, "ValidationError", "Unable to log in with the provided credentials")
LONGEST_CHECK = 10.0
"""Seconds."""
INVALID = (401, "token_not_valid", "Token is invalid or expired")


@dataclass(slots=True)
class Person:
    """A user of a tenant, and an anonymous client."""

    tenant: Tenant
    admin: UserAdmin
    user: User
    client: httpx.AsyncClient

    async def log_in(self, password: str = PASSWORD, **fields: Any) -> httpx.Response:
        """Log in."""
        return await self.client.post(LOGIN, json={"username": self.user.email, "password": password, **fields})

    async def get_tokens(self) -> dict[str, str]:
        """Log in and return the tokens."""
        answer = await self.log_in()
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def refresh(self, token: str, field: str = "refresh", path: str = REFRESH) -> httpx.Response:
        """Get new tokens."""
        return await self.client.post(path, json={field: token})

    async def list_projects(self, token: str, scheme: str = "Bearer") -> httpx.Response:
        """List projects with a token."""
        return await self.client.get("/cloud/v1/projects", headers={"Authorization": f"{scheme} {token}"})


@pytest.fixture
async def person(tenant: Tenant) -> AsyncIterator[Person]:
    """A user with the role Engineers, who has not logged in."""
    state = tenant.running.app_state
    admin = UserAdmin(state.db, state.now())
    user = await admin.create(f"Person-{tenant.client_id}@example.com", Role.ENGINEERS, tenant.client_id, PASSWORD)
    async with client_of(tenant.running, None) as client:
        yield Person(tenant, admin, user, client)


def error_of(answer: httpx.Response) -> tuple[int, str, str]:
    body = answer.json()
    return answer.status_code, body["exception_class"], body["message"]


async def shift_session(person: Person, by: int) -> None:
    """Make all times of a user's sessions earlier."""
    columns = ("access_expires_at", "previous_access_expires_at", "refresh_expires_at", "refreshed_at")

    async def write(tx: Tx) -> None:
        sets = ", ".join(f"{column} = {column} - {by}" for column in columns)
        await tx.run(f"UPDATE login_sessions SET {sets} WHERE user_id = :id", id=person.user.id)

    await person.tenant.running.app_state.db.write(write)


async def test_an_access_token_is_accepted_as_a_key_is(person: Person) -> None:
    tokens = await person.get_tokens()

    answer = await person.list_projects(tokens["access"])
    lower = await person.list_projects(tokens["access"], "bearer")

    assert set(tokens) == {"access", "refresh"}
    assert (answer.status_code, lower.status_code) == (200, 200)
    assert [project["id"] for project in answer.json()["results"]] == [person.tenant.project_id]


async def test_the_address_is_case_insensitive_and_other_fields_are_ignored(person: Person) -> None:
    answer = await person.log_in(username=f" {person.user.email.upper()}", one_time_password="123456")

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "fields", [{"password": "wrong password"}, {"username": "nobody@example.com"}, {"username": "admin"}]
)
async def test_a_wrong_user_or_password_is_400(person: Person, fields: dict[str, str]) -> None:
    assert error_of(await person.log_in(**fields)) == BAD_LOGIN


def test_a_digest_has_its_own_salt_and_belongs_to_one_password() -> None:
    first, second = passwords.hash_password(PASSWORD), passwords.hash_password(PASSWORD)

    assert first != second
    assert first.startswith("$argon2id$")
    assert passwords.is_password(PASSWORD, first)
    assert not passwords.is_password(PASSWORD + "!", first)
    assert not passwords.is_password(PASSWORD, None)


async def test_passwords_that_are_checked_and_set_at_the_same_time_do_not_wait_for_each_other(person: Person) -> None:
    """The threads of the cryptography library are shared by all computations of a process."""
    digest = passwords.hash_password(PASSWORD)
    # A thread that hangs would stop the event loop from ending.
    checks = [Thread(target=passwords.is_password, args=(PASSWORD, digest), daemon=True) for _ in range(4)]
    for check in checks:
        check.start()
    for check in checks:
        check.join(LONGEST_CHECK)
    assert [check.is_alive() for check in checks] == [False] * 4

    path = f"/_pileus/tenants/{person.tenant.client_id}/users/{person.user.id}/password"
    answers = await asyncio.gather(
        *(person.log_in() for _ in range(4)),
        *(person.tenant.operator.put(path, json={"password": PASSWORD}) for _ in range(2)),
    )

    assert {answer.status_code for answer in answers} <= {200, 204, 400}


async def test_a_user_without_a_password_cannot_log_in(person: Person) -> None:
    email = f"user-{person.tenant.client_id}@example.com"

    assert error_of(await person.log_in(username=email)) == BAD_LOGIN


async def test_an_incomplete_login_names_the_fields(person: Person) -> None:
    answer = await person.client.post(LOGIN, json={})
    without_token = await person.client.post(REFRESH, json={})

    assert set(answer.json()["invalid_fields"]) == {"username", "password"}
    assert (without_token.status_code, set(without_token.json()["invalid_fields"])) == (400, {"refresh"})


@pytest.mark.parametrize("role", list(Role))
async def test_a_login_has_the_role_of_its_user(person: Person, role: Role) -> None:
    email = f"{role.lower()}-{person.tenant.client_id}@example.com"
    await person.admin.create(email, role, person.tenant.client_id, PASSWORD)
    access = (await person.log_in(username=email)).json()["access"]

    answer = await person.client.post(
        "/cloud/v1/projects", json={"name": "-"}, headers={"Authorization": f"Bearer {access}"}
    )

    assert answer.status_code == (400 if role in (Role.ADMINISTRATORS, Role.OPERATORS) else 403)


async def test_the_audit_log_names_the_user_of_a_login(person: Person) -> None:
    access = (await person.get_tokens())["access"]
    await person.client.post(
        "/cloud/v1/ssh_keys/" + str(person.tenant.project_id),
        json={"name": "by-login"},
        headers={"Authorization": f"Bearer {access}"},
    )

    (action, *_) = (await person.tenant.api.get("/cloud/v1/user_actions")).json()["results"]

    assert (action["user_id"], action["email"], action["token_id"]) == (person.user.id, person.user.email, None)


async def test_tokens_of_other_kinds_are_no_access_tokens(person: Person) -> None:
    tokens = await person.get_tokens()
    wrong_type = (401, "token_not_valid", "Given token not valid for any token type")

    assert error_of(await person.list_projects(tokens["refresh"])) == wrong_type
    assert error_of(await person.list_projects(person.tenant.tokens[Role.USERS])) == wrong_type
    assert error_of(await person.list_projects(tokens["access"], "APIKey")) == (
        401,
        "UnauthorizedError",
        f"Invalid <APIKey> authentication token: {tokens['access'][:5]}*****{tokens['access'][-5:]}",
    )
    changed = tokens["access"][:-1] + ("0" if tokens["access"][-1] != "0" else "1")
    assert error_of(await person.list_projects(changed)) == INVALID


async def test_an_access_token_expires_and_the_refresh_token_gets_a_new_one(person: Person) -> None:
    tokens = await person.get_tokens()
    await shift_session(person, ACCESS_LIFETIME)

    expired = await person.list_projects(tokens["access"] + " ")
    renewed = (await person.refresh(tokens["refresh"])).json()

    assert error_of(expired) == INVALID
    assert (await person.list_projects(renewed["access"])).status_code == 200
    assert set(renewed.values()).isdisjoint(tokens.values())


@pytest.mark.parametrize(
    "path", [REFRESH, "/auth/jwt/refresh", "/cloud/auth/jwt/refresh", "/v1/token/refresh", "/cloud/v1/token/refresh"]
)
async def test_older_clients_refresh_with_another_field_at_other_addresses(person: Person, path: str) -> None:
    tokens = await person.get_tokens()

    assert (await person.refresh(tokens["refresh"], "token", path)).status_code == 200


@pytest.mark.parametrize("path", ["/auth/jwt/login", "/cloud/auth/jwt/login"])
async def test_older_clients_log_in_at_other_addresses(person: Person, path: str) -> None:
    answer = await person.client.post(path, json={"username": person.user.email, "password": PASSWORD})

    assert set(answer.json()) == {"access", "refresh"}


async def test_a_refresh_token_works_again_if_its_answer_was_lost(person: Person) -> None:
    tokens = await person.get_tokens()
    await person.refresh(tokens["refresh"])

    again = await person.refresh(tokens["refresh"])

    assert again.status_code == 200
    assert (await person.list_projects(again.json()["access"])).status_code == 200


async def test_a_refresh_token_that_is_used_later_again_ends_the_login(person: Person) -> None:
    tokens = await person.get_tokens()
    renewed = (await person.refresh(tokens["refresh"])).json()
    other = await person.get_tokens()
    await shift_session(person, GRACE)

    reused = await person.refresh(tokens["refresh"])

    assert error_of(reused) == INVALID
    assert error_of(await person.list_projects(renewed["access"])) == INVALID
    assert error_of(await person.refresh(renewed["refresh"])) == INVALID
    assert (await person.list_projects(other["access"])).status_code == 200


@pytest.mark.parametrize("token", ["x", "refresh_00000000-0000-4000-8000-000000000000_" + "0" * 64])
async def test_an_unknown_refresh_token_is_401(person: Person, token: str) -> None:
    assert error_of(await person.refresh(token)) == INVALID


async def test_parallel_refreshes_lose_no_token(person: Person) -> None:
    tokens = await person.get_tokens()

    answers = await asyncio.gather(*(person.refresh(tokens["refresh"]) for _ in range(2)))

    assert [answer.status_code for answer in answers] == [200, 200]
    for answer in answers:
        assert (await person.list_projects(answer.json()["access"])).status_code == 200


async def test_a_new_password_ends_the_logins_and_only_it_opens(person: Person) -> None:
    tokens = await person.get_tokens()
    assert (await person.list_projects(tokens["access"])).status_code == 200

    await person.admin.set_password(person.user.email, "another password")

    assert error_of(await person.list_projects(tokens["access"])) == INVALID
    assert error_of(await person.refresh(tokens["refresh"])) == INVALID
    assert error_of(await person.log_in()) == BAD_LOGIN
    assert (await person.log_in("another password")).status_code == 200


async def test_deletion_of_a_user_ends_its_logins(person: Person) -> None:
    tokens = await person.get_tokens()
    assert (await person.list_projects(tokens["access"])).status_code == 200

    await person.admin.delete(person.user.email)

    assert error_of(await person.list_projects(tokens["access"])) == INVALID
    assert error_of(await person.refresh(tokens["refresh"])) == INVALID
    assert error_of(await person.log_in()) == BAD_LOGIN


async def test_the_owner_of_keys_and_the_only_user_cannot_be_deleted(person: Person) -> None:
    only = await person.admin.create(
        f"only-{person.tenant.client_id}@example.com", Role.USERS, 50_000 + person.tenant.client_id, PASSWORD
    )
    await person.admin.delete(f"client-{only.client_id}@localhost.localdomain")

    with pytest.raises(Conflict, match="owns API keys"):
        await person.admin.delete(f"user-{person.tenant.client_id}@example.com")
    with pytest.raises(Conflict, match="is the only user"):
        await person.admin.delete(only.email)


async def test_a_password_that_changes_while_it_is_checked_starts_no_login(person: Person) -> None:
    await person.admin.set_password(person.user.email, "another password")

    db, session_id = person.tenant.running.app_state.db, person.tenant.running.app_state.new_id()
    assert await db.write(lambda tx: logins.start_session(tx, person.user, session_id, 0)) is None


async def test_a_user_has_a_bounded_number_of_logins(person: Person) -> None:
    first = await person.get_tokens()
    state = person.tenant.running.app_state

    for _ in range(MAX_SESSIONS):
        await state.db.write(lambda tx: logins.start_session(tx, person.user, state.new_id(), state.now()))

    async with state.db.read() as tx:
        row = await tx.one("SELECT count(*) FROM login_sessions WHERE user_id = :id", id=person.user.id)
        assert await login_sessions.find(tx, first["access"].split("_")[1]) is None
    assert row is not None
    assert row[0] == MAX_SESSIONS


async def test_a_user_selects_its_only_account(person: Person, stranger: Tenant) -> None:
    tokens = await person.get_tokens()
    client_id, headers = person.tenant.client_id, {"Authorization": f"Bearer {tokens['access']}"}

    selected = await person.client.get(f"/iam/auth/jwt/clients/{client_id}/login", headers=headers)
    foreign = await person.client.get(f"/iam/auth/jwt/clients/{stranger.client_id}/login", headers=headers)
    by_key = await person.tenant.api.get(f"/iam/auth/jwt/clients/{client_id}/login")

    assert (await person.list_projects(selected.json()["access"])).status_code == 200
    assert (foreign.status_code, by_key.status_code) == (404, 403)


async def test_too_many_failed_logins_are_429_even_with_the_right_password(person: Person) -> None:
    app = cast("Any", person.tenant.running.app)
    transport = httpx.ASGITransport(app, client=("198.51.100.7", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://pileus.test") as client:
        body = {"username": person.user.email, "password": "wrong password"}
        statuses = [(await client.post(LOGIN, json=body)).status_code for _ in range(MOST_PER_USER)]
        refused = await client.post(LOGIN, json={**body, "password": PASSWORD})

    assert statuses == [400] * MOST_PER_USER
    assert (refused.status_code, refused.json()["exception_class"]) == (429, "TooManyRequests")
    assert 1 <= int(refused.headers["retry-after"]) <= 301 * SECOND


async def test_passwords_and_tokens_are_neither_stored_nor_logged(
    person: Person, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        tokens = await person.get_tokens()
        await person.log_in("a wrong password")
        await person.list_projects(tokens["access"])
        renewed = (await person.refresh(tokens["refresh"])).json()

    async with person.tenant.running.app_state.db.read() as tx:
        rows = [*await tx.all("SELECT * FROM login_sessions"), *await tx.all("SELECT * FROM users")]
    log = caplog.text + "".join(str(vars(record)) for record in caplog.records if record.name.startswith("pileus"))
    for secret in (PASSWORD, "a wrong password", *tokens.values(), *renewed.values()):
        assert secret not in str(rows) + log
