"""Addresses that only older clients use answer as those that have replaced them."""

import pytest

from pileus.domain.account.access import Role
from tests.builders import an_instance
from tests.tenants import REGION, Tenant


@pytest.mark.parametrize("body", [None, b"", b"{}"])
async def test_available_flavors_by_post_are_those_by_get(tenant: Tenant, body: bytes | None) -> None:
    instance = await an_instance(tenant)
    path, query = tenant.path("instances", instance.id, "available_flavors"), {"include_prices": "true"}

    for parameters in ({}, query):
        by_get = await tenant.api.get(path, params=parameters)
        by_post = await tenant.api.post(path, params=parameters, content=body)
        assert (by_post.status_code, by_post.json()) == (200, by_get.json())
        assert by_post.json()["count"] > 0


async def test_a_spice_console_is_that_of_get_console(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    path = tenant.path("instances", instance.id, "get_spice_console")

    console = (await tenant.api.get(path)).json()["remote_console"]
    other = await tenant.api.get(path, params={"console_type": "novnc"})

    assert (console["type"], console["protocol"]) == ("spice-html5", "spice")
    assert other.json()["remote_console"]["type"] == "novnc"
    assert (await tenant.clients[Role.USERS].get(path)).status_code == 403


async def test_a_search_finds_instances_in_every_project(tenant: Tenant, stranger: Tenant) -> None:
    first = await an_instance(tenant, name="Search-me-1")
    project = (await tenant.api.post("/cloud/v1/projects", json={"name": "second"})).json()
    second = await an_instance(tenant, name="search-me-2", project_id=project["id"])
    await an_instance(tenant, name="other")
    await an_instance(stranger, name="search-me-3")

    both = (await tenant.api.get("/cloud/v1/instances/search", params={"name": "search-ME"})).json()
    page = (await tenant.api.get("/cloud/v1/instances/search", params={"limit": 1, "offset": 1})).json()
    by_id = (await tenant.api.get("/cloud/v1/instances/search", params={"id": second.id})).json()

    assert both == {
        "count": 2,
        "results": [
            {
                "id": instance.id,
                "name": instance.name,
                "project_id": str(project_id),
                "project_name": project_name,
                "region_id": str(REGION),
                "region_name": tenant.running.app_state.catalogue.regions[0].display_name,
                "client_id": tenant.client_id,
            }
            for instance, project_id, project_name in (
                (first, tenant.project_id, "default"),
                (second, project["id"], "second"),
            )
        ],
    }
    assert (page["count"], len(page["results"])) == (3, 1)
    assert [item["id"] for item in by_id["results"]] == [second.id]


async def test_a_search_does_not_find_instances_of_others(tenant: Tenant, stranger: Tenant) -> None:
    instance = await an_instance(stranger)

    answer = await tenant.api.get("/cloud/v1/instances/search", params={"id": instance.id})

    assert answer.json() == {"count": 0, "results": []}
