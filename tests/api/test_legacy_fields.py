"""The fields for older clients: on by default, and left out of every answer if the setting is off."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any, cast

import httpx
import pytest
from prometheus_client import CollectorRegistry

from pileus.api.application import create_app
from pileus.api.middleware import ServerMetrics
from pileus.app import RunningCloud
from pileus.settings import Settings
from pileus.store.compute.instance_cache import InstanceCache
from tests.api.conftest import Owner
from tests.api.foreign_ids import create_everything
from tests.contract.documents import own_contract
from tests.tenants import Tenant, new_tenant

NOUNS = {
    "instances": "instance_id",
    "bminstances": "server_id",
    "images": "image_id",
    "volumes": "volume_id",
    "snapshots": "snapshot_id",
    "networks": "network_id",
    "subnets": "subnet_id",
    "securitygroups": "group_id",
    "floatingips": "floating_ip_id",
}


def deprecated_fields(path: str) -> set[str]:
    """Return the deprecated fields of the object that the own document promises at a path."""
    document = own_contract().document
    schema = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    properties = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]["properties"]
    return {name for name, field in properties.items() if field.get("deprecated")}


def fields_of(value: Any) -> Iterator[str]:
    """Yield the names of all fields in an answer, at every depth."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from fields_of(inner)
    elif isinstance(value, list):
        for item in value:
            yield from fields_of(item)


@pytest.fixture(scope="module")
async def resources(running: RunningCloud) -> AsyncIterator[Owner]:
    """A tenant that owns one resource of each kind; no other module changes them."""
    async with new_tenant(running) as tenant:
        yield Owner(tenant, await create_everything(tenant))


@pytest.fixture(scope="module")
def modern(resources: Owner) -> httpx.AsyncClient:
    """A client of the same cloud with the setting off."""
    modern_state = replace(
        resources.tenant.running.app_state, legacy_fields=False, instance_cache=InstanceCache(1 << 20, checked=True)
    )
    app = create_app(Settings(), modern_state, ServerMetrics(CollectorRegistry()))
    headers = dict(resources.tenant.api.headers)
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(cast("Any", app)), base_url="http://pileus.test", headers=headers
    )


@pytest.mark.parametrize("noun", NOUNS)
async def test_all_older_fields_are_served_unless_the_setting_is_off(
    resources: Owner, modern: httpx.AsyncClient, noun: str
) -> None:
    path = resources.tenant.path(noun, resources.ids.values[NOUNS[noun]])
    fields = deprecated_fields(f"/cloud/v1/{noun}/{{project_id}}/{{region_id}}/{{{NOUNS[noun]}}}")

    by_default = (await resources.tenant.api.get(path)).json()
    without = (await modern.get(path)).json()

    assert "metadata" in fields
    assert by_default.keys() == without.keys() | fields
    assert without == {name: value for name, value in by_default.items() if name not in fields}


@pytest.mark.parametrize("noun", [*NOUNS, "availablenetworks", "reserved_fixed_ips"])
async def test_lists_have_no_older_field_if_the_setting_is_off(
    resources: Owner, modern: httpx.AsyncClient, noun: str
) -> None:
    by_default = (await resources.tenant.api.get(resources.tenant.path(noun))).json()
    without = (await modern.get(resources.tenant.path(noun))).json()

    assert without["count"] == by_default["count"] > 0
    assert "metadata" in set(fields_of(by_default))
    assert not {"metadata", "metadata_detailed", "keypair_name"} & set(fields_of(without))


async def test_interfaces_show_the_tags_of_their_network_and_floating_ips(resources: Owner) -> None:
    path = resources.tenant.path("instances", resources.ids.values["instance_id"], "interfaces")

    (interface,) = (await resources.tenant.api.get(path)).json()["results"]

    assert interface["network_details"].keys() >= {"metadata", "region", "project_id"}
    assert interface["network_details"]["metadata"] == interface["network_details"]["tags"]


async def test_a_region_has_the_older_field_of_its_ai_service(resources: Owner) -> None:
    region = (await resources.tenant.api.get("/cloud/v1/regions/1")).json()

    assert region["ai_service_endpoint_id"] is None


async def test_a_security_group_shows_its_tags_in_two_older_forms(tenant: Tenant) -> None:
    body = {"security_group": {"name": "tagged", "security_group_rules": [], "metadata": {"a": "b"}}}

    group = (await tenant.api.post(tenant.path("securitygroups"), json=body)).json()

    assert group["tags"] == ["a=b"]
    assert group["metadata"] == group["tags_v2"] == [{"key": "a", "value": "b", "read_only": False}]
