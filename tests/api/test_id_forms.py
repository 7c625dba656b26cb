"""Ids in upper case, and ids of the catalogue as earlier versions made them, are accepted wherever an id is."""

from copy import deepcopy
from typing import Any
from uuid import uuid5

import pytest
from msgspec import inspect

from pileus.api.canonical_ids import (
    FREE_FIELDS,
    canonical_query,
    canonicalize_json,
    is_id_name,
    query_without_empty_ids,
)
from pileus.api.validation import convert_body
from pileus.api.wire.account.report_requests import ReportRequest
from pileus.api.wire.constraints import Uuid
from pileus.app import RunningCloud
from pileus.domain.ids import CATALOGUE
from tests.api.foreign_ids import TEXT_IDS, Ids, create_everything
from tests.api.routes import AUTHENTICATED, Endpoint
from tests.builders import a_network, an_instance
from tests.orders import UBUNTU
from tests.storage import a_snapshot, a_volume
from tests.tenants import Tenant, new_tenant

WITH_ID = [endpoint for endpoint in AUTHENTICATED if endpoint.named & set(TEXT_IDS)]
WITH_BODY = [endpoint for endpoint in AUTHENTICATED if endpoint.body_type() is not None]
FORMER_UBUNTU = str(uuid5(CATALOGUE, "image/1/ubuntu-22.04-x64"))
UUID_PATTERN = inspect.type_info(Uuid).pattern  # type: ignore[attr-defined]  # the type of text
UPPER = "F3B0F479-0000-4000-8000-0000000000AB"
LOWER = UPPER.lower()
Node = tuple[str, inspect.Type]


def in_upper_case(ids: Ids) -> Ids:
    """Return the ids in upper case."""
    return ids.but(**{name: str(ids.values[name]).upper() for name in TEXT_IDS})


async def status_of(endpoint: Endpoint, tenant: Tenant, ids: Ids) -> int:
    answer = await tenant.operator.request(endpoint.method, endpoint.filled(ids), json=endpoint.body())
    return answer.status_code


@pytest.mark.parametrize("endpoint", WITH_ID, ids=str)
async def test_every_route_accepts_ids_in_upper_case(running: RunningCloud, endpoint: Endpoint) -> None:
    async with new_tenant(running) as tenant, new_tenant(running) as other:
        expected = await status_of(endpoint, tenant, await create_everything(tenant))

        status = await status_of(endpoint, other, in_upper_case(await create_everything(other)))

    assert status == expected


def fields_of(endpoint: Endpoint) -> list[Node]:
    """Return the fields of a body, at each level, with their types; those of lists have the name of the list."""
    nodes, fields = [("", inspect.type_info(endpoint.body_type()))], list[Node]()
    while nodes:
        name, node = nodes.pop()
        match node:
            case inspect.StructType():
                nodes += [(field.encode_name, field.type) for field in node.fields]
            case inspect.UnionType():
                nodes += [(name, member) for member in node.types]
            case inspect.ListType():
                nodes.append((name, node.item_type))
            case inspect.Metadata():
                nodes.append((name, node.type))
            case _:
                fields.append((name, node))
    return fields


def holds_free_text(node: inspect.Type) -> bool:
    """Return whether a field contains text under keys that clients choose."""
    if isinstance(node, inspect.DictType):
        return not isinstance(node.value_type, inspect.IntType | inspect.LiteralType)
    return isinstance(node, inspect.AnyType)


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=str)
def test_every_field_that_holds_an_id_is_known_by_its_name(endpoint: Endpoint) -> None:
    fields = fields_of(endpoint)

    uuids = {name for name, node in fields if isinstance(node, inspect.StrType) and node.pattern == UUID_PATTERN}
    assert {name for name in uuids if not is_id_name(name)} == set()
    assert {name for name, node in fields if name and holds_free_text(node)} <= FREE_FIELDS


def test_every_path_parameter_that_holds_an_id_is_known_by_its_name() -> None:
    kinds = {"console_type"}
    assert [name for name in TEXT_IDS if not is_id_name(name)] == sorted(kinds & {*TEXT_IDS})


@pytest.mark.parametrize(
    ("query", "canonical"),
    [
        (f"volume_id={UPPER}", f"volume_id={LOWER}"),
        (f"limit=1&port_ids={UPPER}&port_ids={UPPER}", f"limit=1&port_ids={LOWER}&port_ids={LOWER}"),
        (f"snapshots={UPPER},{UPPER}", f"snapshots={LOWER},{LOWER}"),
        (f"floating_ip_ids={UPPER}%2C{UPPER}", f"floating_ip_ids={LOWER}%2C{LOWER}"),
        (f"name={UPPER}&tag_value={UPPER}", f"name={UPPER}&tag_value={UPPER}"),
        (f"network_id={UPPER}&name={UPPER}", f"network_id={LOWER}&name={UPPER}"),
        ("network_id=ABC&x", "network_id=ABC&x"),
        (f"image_id={FORMER_UBUNTU}", f"image_id={UBUNTU}"),
        ("", ""),
    ],
)
def test_ids_in_queries_become_canonical(query: str, canonical: str) -> None:
    assert canonical_query(query.encode()) == canonical.encode()


@pytest.mark.parametrize(
    ("query", "used"),
    [
        (f"listener_id=&load_balancer_id={LOWER}", f"load_balancer_id={LOWER}"),
        ("listener_id=&load_balancer_id=", ""),
        ("limit=1&listener_id=&name=", "limit=1&name="),
        ("name=id=&id=&key_id", "name=id=&key_id"),
    ],
)
def test_empty_ids_in_queries_are_not_used(query: str, used: str) -> None:
    assert query_without_empty_ids(query.encode()) == used.encode()


async def test_an_empty_id_does_not_make_a_change_one_of_everything(tenant: Tenant) -> None:
    answer = await tenant.operator.post("/_pileus/reset?client_id=")

    assert answer.status_code == 400
    assert (await tenant.api.get("/cloud/v1/projects")).json()["count"] == 1


def test_names_tags_and_values_in_bodies_stay_as_they_are() -> None:
    free: dict[str, Any] = {field: {"image_id": UPPER, "id": UPPER} for field in FREE_FIELDS}
    body = {"name": UPPER, "volume_ids": [UPPER], "interfaces": [{"port_id": UPPER}], "password": UPPER, **free}

    canonical = deepcopy(body)
    for _ in canonicalize_json(canonical):
        pass

    assert canonical == {**body, "volume_ids": [LOWER], "interfaces": [{"port_id": LOWER}]}


@pytest.mark.parametrize(("field", "value"), [("network_id", LOWER), ("last_name", UPPER)])
async def test_reports_are_filtered_by_ids_in_upper_case(field: str, value: str) -> None:
    body = {
        "time_from": "2026-01-01",
        "time_to": "2026-01-02",
        "schema_filter": {"type": "external_ip", "field": field, "values": [UPPER]},
    }

    assert (await convert_body(body, ReportRequest)).to_usage_filter().values == [value]


async def test_bodies_with_ids_in_upper_case_do_the_same(tenant: Tenant) -> None:
    (_, (subnet,)), (_, (other_subnet,)), volume = (
        await a_network(tenant),
        await a_network(tenant),
        await a_volume(tenant),
    )
    order = {
        "flavor": "g1-standard-1-2",
        "name": UPPER,
        "tags": {"image_of": UPPER},
        "volumes": [{"source": "image", "image_id": UBUNTU.upper(), "size": 10, "boot_index": 0}],
        "interfaces": [{"type": "subnet", "network_id": subnet.network_id.upper(), "subnet_id": subnet.id.upper()}],
    }
    task = await tenant.wait_until_finished(await tenant.api.post(tenant.path("instances", version=2), json=order))
    (instance_id,) = task["created_resources"]["instances"]
    for path, body in (
        (tenant.path("volumes", volume.id.upper(), "attach", version=2), {"instance_id": instance_id.upper()}),
        (tenant.path("instances", instance_id, "attach_interface"), {"subnet_id": other_subnet.id.upper()}),
    ):
        await tenant.wait_until_finished(await tenant.api.post(path, json=body))

    instance = (await tenant.api.get(tenant.path("instances", instance_id.upper()))).json()
    interfaces = (await tenant.api.get(tenant.path("instances", instance_id.upper(), "interfaces"))).json()["results"]
    assert (instance["id"], instance["name"]) == (instance_id, UPPER)
    assert {"key": "image_of", "value": UPPER, "read_only": False} in instance["tags"]
    assert volume.id in [attachment["id"] for attachment in instance["volumes"]]
    subnet_ids = {address["subnet_id"] for interface in interfaces for address in interface["ip_assignments"]}
    assert subnet_ids == {subnet.id, other_subnet.id}


async def test_lists_are_filtered_by_ids_in_upper_case(tenant: Tenant) -> None:
    volume, other = await a_volume(tenant), await a_volume(tenant)
    snapshot = await a_snapshot(tenant, volume)
    await a_snapshot(tenant, other)

    answer = await tenant.api.get(tenant.path("snapshots"), params={"volume_id": volume.id.upper()})

    assert [view["id"] for view in answer.json()["results"]] == [snapshot.id]


async def test_a_task_is_found_and_acknowledged_by_its_id_in_upper_case(tenant: Tenant) -> None:
    body = {"source": "new-volume", "name": "data", "size": 1}
    (task_id,) = (await tenant.api.post(tenant.path("volumes"), json=body)).json()["tasks"]
    await tenant.wait_for_task(task_id)

    await tenant.api.post("/cloud/v1/tasks/acknowledge", json={"task_ids": [task_id.upper()]})

    task = (await tenant.api.get(f"/cloud/v1/tasks/{task_id.upper()}")).json()
    assert (task["id"], task["acknowledged_at"] is not None) == (task_id, True)


async def test_a_former_id_of_an_image_is_accepted(tenant: Tenant) -> None:
    image = (await tenant.api.get(tenant.path("images", FORMER_UBUNTU))).json()
    body = {"source": "image", "name": "old-1", "size": 10, "image_id": FORMER_UBUNTU.upper()}
    task = await tenant.wait_until_finished(await tenant.api.post(tenant.path("volumes"), json=body))

    assert FORMER_UBUNTU != UBUNTU == image["id"]
    assert len(task["created_resources"]["volumes"]) == 1


@pytest.mark.parametrize("depth", [300, 900, 1500])
async def test_a_deeply_nested_body_is_refused(tenant: Tenant, depth: int) -> None:
    instance = await an_instance(tenant)
    content = b'{"type": "subnet", "x": ' + b"[" * depth + f'{{"id": "{UPPER}"}}'.encode() + b"]" * depth + b"}"

    for path in ("attach_interface", "detach_interface"):
        answer = await tenant.api.post(tenant.path("instances", instance.id, path), content=content)
        assert answer.status_code == 400
