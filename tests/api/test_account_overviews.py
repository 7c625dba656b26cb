"""The account of the caller."""

from pileus.domain.account.access import Role
from tests.tenants import Tenant


async def test_the_official_sdk_reads_the_account(tenant: Tenant, stranger: Tenant) -> None:
    account = await tenant.sdk.iam.get_account_overview()
    other = await stranger.sdk.iam.get_account_overview()

    assert (account.id, other.id) == (tenant.client_id, stranger.client_id)
    assert account.email == f"user-{tenant.client_id}@example.com"
    assert (account.status, account.current_user, account.deleted) == ("active", tenant.client_id, False)
    assert (account.company_name, account.capabilities) == (f"client-{tenant.client_id}", ["CLOUD"])
    assert account.service_statuses.cloud is not None
    assert account.service_statuses.cdn is not None
    assert (account.service_statuses.cloud.enabled, account.service_statuses.cdn.enabled) == (True, False)


async def test_every_role_reads_its_account(tenant: Tenant) -> None:
    answer = await tenant.clients[Role.USERS].get("/iam/clients/me")

    body = answer.json()
    assert (body["id"], body["status"], body["currentUser"]) == (tenant.client_id, "active", tenant.client_id)
