"""Scenarios of the operations on file shares."""

from tests.builders import a_network
from tests.storage import a_file_share, an_access_rule
from tests.tasks.scenario import Scenario, SendRequest, request
from tests.tenants import Tenant


async def _create_share(tenant: Tenant) -> SendRequest:
    network, _ = await a_network(tenant)
    order = {
        "name": "fresh",
        "protocol": "NFS",
        "size": 5,
        "network": {"network_id": network.id},
        "access": [{"ip_address": "10.0.0.0/24", "access_mode": "rw"}, {"ip_address": "10.0.1.1", "access_mode": "ro"}],
        "tags": {"a": "b"},
    }
    return request("POST", tenant.path("file_shares"), order)


async def _update_share(tenant: Tenant) -> SendRequest:
    share = await a_file_share(tenant, labels={"a": "b"})
    body = {"name": "other", "tags": {"c": "d", "a": None}, "share_settings": {"root_squash": False}}
    return request("PATCH", tenant.path("file_shares", share.id, version=3), body)


async def _extend_share(tenant: Tenant) -> SendRequest:
    _, (subnet,) = await a_network(tenant)
    share = await a_file_share(tenant, subnet)
    return request("POST", tenant.path("file_shares", share.id, "extend"), {"size": 20})


async def _delete_share(tenant: Tenant) -> SendRequest:
    _, (subnet,) = await a_network(tenant)
    share = await a_file_share(tenant, subnet, labels={"a": "b"})
    await an_access_rule(tenant, share)
    return request("DELETE", tenant.path("file_shares", share.id))


FILE_SHARE_SCENARIOS: dict[str, Scenario] = {
    "create_sfs": Scenario(_create_share),
    "update_sfs": Scenario(_update_share),
    "extend_sfs": Scenario(_extend_share),
    "delete_sfs": Scenario(_delete_share, irreversible=True),
}
