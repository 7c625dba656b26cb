"""`pileus tenants`, against a real server."""

import json

import httpx
import pytest

from pileus.cli.temporary_server import TemporaryServer
from tests.cli.conftest import Run


@pytest.fixture
def tenants(run: Run, server: TemporaryServer, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `pileus tenants` against the server."""
    monkeypatch.setenv("GCORE_BASE_URL", server.url)
    monkeypatch.setenv("GCORE_API_KEY", server.key)
    return lambda *arguments: run("tenants", *arguments)


@pytest.fixture
def tenant(tenants: Run) -> str:
    """The number of a new tenant."""
    return tenants("create", "acme").stdout.strip()


def request_status(server: TemporaryServer, token: str) -> int:
    headers = {"Authorization": f"APIKey {token}"}
    return httpx.get(f"{server.url}/cloud/v1/projects", headers=headers).status_code


def test_tenant_is_created_and_listed_with_its_first_user(tenants: Run, tenant: str) -> None:
    listed = json.loads(tenants("list", "-o", "json").stdout)
    (owner,) = json.loads(tenants("users", tenant, "-o", "json").stdout)

    assert [entry["name"] for entry in listed if entry["id"] == int(tenant)] == ["acme"]
    assert [entry["state"] for entry in listed if entry["id"] == int(tenant)] == ["active"]
    assert owner["can_log_in"] is False


def test_key_is_created_rotated_and_revoked(tenants: Run, tenant: str, server: TemporaryServer) -> None:
    token = tenants("create-key", tenant, "terraform", "--expires", "90").stdout.strip()
    number = token.partition("_")[0]
    new_token = tenants("rotate-key", tenant, number, "--grace", "24").stdout.strip()
    during = [request_status(server, token), request_status(server, new_token)]

    revoked = tenants("revoke-key", tenant, number)

    (listed,) = json.loads(tenants("keys", tenant, "-o", "json").stdout)
    assert during == [200, 200]
    assert revoked.stdout == f"Key {number} is revoked.\n"
    assert [request_status(server, token), request_status(server, new_token)] == [401, 401]
    assert (listed["role"], listed["state"], listed["revoked_at"] is None) == ("Administrators", "revoked", False)
    assert listed["expires_at"] > listed["created_at"]


def test_the_state_of_a_key_follows_the_clock_of_the_cloud(tenants: Run, run: Run, tenant: str) -> None:
    tenants("create-key", tenant, "terraform", "--expires", "1")
    before = json.loads(tenants("keys", tenant, "-o", "json").stdout)
    assert run("sim", "clock", "advance", "2d").exit_code == 0
    after = json.loads(tenants("keys", tenant, "-o", "json").stdout)
    assert run("sim", "clock", "reset").exit_code == 0

    assert [key["state"] for key in (*before, *after)] == ["active", "expired"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["keys", "987654"], "Client 987654 could not be found"),
        (["revoke-key", "1", "987654"], "API key 987654 could not be found"),
        (["create", "-"], "name"),
    ],
)
def test_server_error_is_printed(tenants: Run, arguments: list[str], expected: str) -> None:
    refused = tenants(*arguments)

    assert refused.exit_code == 1
    assert expected in refused.stderr


def test_a_tenants_own_key_is_not_enough(tenants: Run, tenant: str) -> None:
    token = tenants("create-key", tenant, "terraform").stdout.strip()

    refused = tenants("list", "--key", token)

    assert refused.exit_code == 1
    assert "pileus operators create NAME" in refused.stderr


def test_a_tenant_is_renamed_and_deleted(tenants: Run, tenant: str, server: TemporaryServer) -> None:
    token = tenants("create-key", tenant, "terraform").stdout.strip()

    renamed = tenants("rename", tenant, "acme-europe")
    names = {entry["id"]: entry["name"] for entry in json.loads(tenants("list", "-o", "json").stdout)}
    deleted = tenants("delete", tenant)
    again = tenants("delete", tenant)

    assert (renamed.stdout, names[int(tenant)]) == (f"Tenant {tenant} is renamed to acme-europe.\n", "acme-europe")
    assert (deleted.exit_code, deleted.stdout) == (0, f"Tenant {tenant} is deleted.\n")
    assert request_status(server, token) == httpx.codes.UNAUTHORIZED
    assert (again.exit_code, f"Client {tenant}" in again.stderr) == (1, True)


def test_the_tenant_of_operators_is_not_deleted(tenants: Run) -> None:
    result = tenants("delete", "1")

    assert result.exit_code == 1
    assert "is your own" in result.stderr
