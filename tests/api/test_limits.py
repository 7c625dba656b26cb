"""Every limit of the table: an order at the limit is accepted, one more is refused."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import inspect

from pileus.app import run_cloud
from pileus.domain.limits import (
    INSTANCE_INTERFACES,
    INSTANCE_VOLUMES,
    LIMITS,
    PORT_SECURITY_GROUPS,
    TAG_CHANGES,
    TAGS,
    Limit,
)
from tests.api.foreign_ids import create_everything
from tests.api.limit_orders import ORDERS
from tests.api.routes import ENDPOINTS, Endpoint
from tests.app_settings import checked_settings
from tests.builders import a_network, a_port, a_security_group, an_instance, list_ports
from tests.storage import a_volume
from tests.tenants import Tenant, new_tenant

WITH_BODY = [endpoint for endpoint in ENDPOINTS if endpoint.body_type() is not None]
REPLACING = [endpoint for endpoint in WITH_BODY if endpoint.method == "PUT" and endpoint.path.endswith("/metadata")]
DECODED_LATER = {"attach_interface"}
"""Handlers that take any object and decode it as a type with limits."""


def test_every_limit_has_an_order() -> None:
    assert set(ORDERS) == set(LIMITS)


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.name)
async def test_an_order_at_the_limit_passes_and_one_more_is_400(tenant: Tenant, stranger: Tenant, limit: Limit) -> None:
    accepted = await ORDERS[limit](tenant, limit.value)
    refused = await ORDERS[limit](stranger, limit.value + 1)

    assert accepted.is_success, accepted.text
    assert refused.status_code == 400, refused.text
    assert refused.json()["request_id"] == refused.headers["x-request-id"]
    assert {"exception_class", "message"} < set(refused.json())


async def test_an_instance_does_not_grow_beyond_its_limits(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    for number in range(1, INSTANCE_VOLUMES.value):
        await a_volume(tenant, instance, name=f"data-{number}")
    _, (subnet,) = await a_network(tenant)
    for _ in range(1, INSTANCE_INTERFACES.value):
        await a_port(tenant, subnet, instance)
    spare = await a_volume(tenant)

    attached = await tenant.api.post(
        tenant.path("volumes", spare.id, "attach", version=2), json={"instance_id": instance.id}
    )
    connected = await tenant.api.post(
        tenant.path("instances", instance.id, "attach_interface"), json={"type": "subnet", "subnet_id": subnet.id}
    )

    assert (attached.status_code, connected.status_code) == (400, 400)
    assert "has 26 volumes already" in attached.json()["message"]
    assert "has 26 interfaces already" in connected.json()["message"]


async def test_a_port_does_not_get_more_security_groups_than_its_limit(tenant: Tenant) -> None:
    instance = await an_instance(tenant)
    (port,) = await list_ports(tenant, instance)
    for number in range(PORT_SECURITY_GROUPS.value):
        await a_security_group(tenant, f"group-{number}", port)
    await a_security_group(tenant, "surplus")
    path = tenant.path("instances", instance.id, "addsecuritygroup")

    known = await tenant.api.post(path, json={"name": "group-7"})
    surplus = await tenant.api.post(path, json={"name": "surplus"})

    assert (known.is_success, surplus.status_code) == (True, 400)
    assert list(surplus.json()["invalid_fields"]) == ["security_groups"]


async def test_a_resource_with_too_many_tags_can_be_changed_but_gets_no_more(tenant: Tenant) -> None:
    """Earlier versions had no limit."""
    instance = await an_instance(tenant, labels={f"old-{number}": "x" for number in range(TAGS.value + 8)})
    path = tenant.path("instances", instance.id)

    changed = await tenant.api.patch(path, json={"name": "renamed", "tags": {"old-1": "y", "old-2": None}})
    grown = await tenant.api.patch(path, json={"tags": {"new-1": "x", "new-2": "x"}})

    assert (changed.status_code, grown.status_code) == (200, 400)
    assert list(grown.json()["invalid_fields"]) == ["tags"]


async def test_system_tags_do_not_count(tenant: Tenant) -> None:
    instance = await an_instance(tenant, labels={f"own-{number}": "x" for number in range(TAGS.value - 1)})

    answer = await tenant.api.patch(tenant.path("instances", instance.id), json={"tags": {"last": "x"}})

    assert answer.status_code == 200
    assert len(answer.json()["tags"]) > TAGS.value


@pytest.mark.parametrize("endpoint", REPLACING, ids=lambda endpoint: endpoint.name)
async def test_tags_of_every_kind_of_resource_are_limited(tenant: Tenant, endpoint: Endpoint) -> None:
    ids = await create_everything(tenant)
    too_many = {f"key-{number}": "x" for number in range(TAGS.value + 1)}

    replaced = await tenant.api.put(endpoint.filled(ids), json=too_many)
    endless = await tenant.api.put(
        endpoint.filled(ids), json={f"key-{number}": "x" for number in range(TAG_CHANGES.value + 1)}
    )

    assert (replaced.status_code, endless.status_code) == (400, 400)


async def test_the_setting_lowers_the_limit_of_tags(tmp_path: Path) -> None:
    async with (
        run_cloud(checked_settings(data=tmp_path, log_level="error", tag_limit=2)) as running,
        new_tenant(running) as own,
    ):
        instance = await an_instance(own)
        path = own.path("instances", instance.id)
        accepted = await own.api.patch(path, json={"tags": {"a": "x", "b": "x"}})
        refused = await own.api.patch(path, json={"tags": {"c": "x"}})

    assert (accepted.status_code, refused.status_code) == (200, 400)


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=lambda endpoint: endpoint.name)
def test_every_list_and_map_in_a_body_has_a_limit(endpoint: Endpoint) -> None:
    data = endpoint.handler.parsed_fn_signature.parameters["data"]

    assert not set(_unlimited(inspect.type_info(data.raw), endpoint.handler.handler_name)) - DECODED_LATER


def _unlimited(type_info: inspect.Type, name: str) -> Iterator[str]:
    """Yield the names of lists and maps without a limit, in a type and in the types that it contains."""
    match type_info:
        case inspect.Metadata():
            yield from _unlimited(type_info.type, name)
        case inspect.UnionType():
            for choice in type_info.types:
                yield from _unlimited(choice, name)
        case inspect.StructType():
            for field in type_info.fields:
                yield from _unlimited(field.type, f"{type_info.cls.__name__}.{field.encode_name}")
        case inspect.ListType() | inspect.DictType():
            if type_info.max_length is None:
                yield name
            inner = type_info.item_type if isinstance(type_info, inspect.ListType) else type_info.value_type
            yield from _unlimited(inner, name)
