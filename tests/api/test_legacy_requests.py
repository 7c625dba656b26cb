"""Fields of bodies under their older names, wherever a resource is created."""

import re
from typing import Any

import msgspec
import pytest

from pileus.api.validation import decode_body
from pileus.api.wire.compute.baremetal_requests import CreateServer
from pileus.api.wire.legacy import CreateTaggedResource
from pileus.domain.errors import Invalid
from tests.builders import BARE_METAL, an_image
from tests.contract.documents import own_contract
from tests.image_server import image_url
from tests.orders import METAL, UBUNTU, an_order
from tests.storage import a_volume
from tests.tenants import Tenant

TAG = {"key": "env", "value": "test", "read_only": False}
SERVER: dict[str, Any] = {
    "flavor": BARE_METAL, "image_id": METAL, "interfaces": [{"type": "external"}],
    "keypair_name": "", "username": "", "password": "", "user_data": "", "apptemplate_id": "",
}  # fmt: skip


async def create(tenant: Tenant, noun: str, kind: str, body: dict[str, Any], listed_as: str = "") -> dict[str, Any]:
    """Create a resource, wait for its task, and return its view."""
    task = await tenant.wait_until_finished(await tenant.api.post(tenant.path(noun), json=body))
    (identity,) = task["created_resources"][kind]
    return dict((await tenant.api.get(tenant.path(listed_as or noun, identity))).json())


def user_tags(view: dict[str, Any]) -> list[dict[str, Any]]:
    return [tag for tag in view.get("tags_v2", view["tags"]) if not tag["read_only"]]


@pytest.mark.parametrize(
    ("names", "name"),
    [
        ({"names": ["bm-one"]}, "bm-one"),
        ({"name_templates": ["bm-{ip_octets}"]}, "bm-"),
        ({"names": [], "name": "new"}, "new"),
        ({"name": "new", "names": ["older"]}, "new"),
    ],
)
async def test_older_clients_create_bare_metal_servers(tenant: Tenant, names: dict[str, Any], name: str) -> None:
    view = await create(tenant, "bminstances", "instances", {**SERVER, **names, "metadata": {"env": "test"}})

    assert view["name"].startswith(name)
    assert (user_tags(view), view["ssh_key_name"]) == ([TAG], None)


async def test_the_key_of_a_bare_metal_server_has_an_older_name(tenant: Tenant) -> None:
    keys = f"/cloud/v1/ssh_keys/{tenant.project_id}"
    key_id = (await tenant.api.post(keys, json={"name": "laptop"})).json()["id"]

    view = await create(tenant, "bminstances", "instances", {**SERVER, "names": ["bm-one"], "keypair_name": "laptop"})

    assert view["keypair_name"] == view["ssh_key_name"] == key_id


@pytest.mark.parametrize("field", ["names", "name_templates"])
async def test_a_list_of_names_creates_one_server_only(tenant: Tenant, field: str) -> None:
    answer = await tenant.api.post(tenant.path("bminstances"), json={**SERVER, field: ["one", "two"]})

    assert (answer.status_code, list(answer.json()["invalid_fields"])) == (400, [field])


async def test_older_clients_create_images_with_tags(tenant: Tenant) -> None:
    volume = await a_volume(tenant, bootable=True, image_id=(await an_image(tenant)).id)
    fields = {"name": "golden", "metadata": {"env": "test"}}

    copied = await create(tenant, "images", "images", {**fields, "source": "volume", "volume_id": volume.id})
    downloaded = await create(tenant, "downloadimage", "images", {**fields, "url": image_url("qcow2")}, "images")

    assert user_tags(copied) == user_tags(downloaded) == [TAG]


async def test_an_empty_list_is_empty_metadata(tenant: Tenant) -> None:
    """PHP encodes an empty map as a list."""
    image = {"source": "image", "image_id": UBUNTU, "metadata": []}
    body = an_order(names=["web-1"], metadata=[], volumes=[image])

    answer = await tenant.api.post(tenant.path("instances", version=2), json=body)
    task = await tenant.wait_until_finished(answer)

    (instance_id,) = task["created_resources"]["instances"]
    view = (await tenant.api.get(tenant.path("instances", instance_id))).json()
    assert (view["name"], user_tags(view)) == ("web-1", [])


@pytest.mark.parametrize(
    ("body", "tags"),
    [
        ({"metadata": {"env": "test"}}, {"env": "test"}),
        ({"metadata": {"env": "test"}, "tags": {"env": "prod"}}, {"env": "prod"}),
        ({"metadata": {" env ": " test "}, "tags": {}}, {"env": "test"}),
        ({"metadata": []}, {}),
        ({"metadata": None, "tags": None}, {}),
        ({}, {}),
    ],
)
def test_tags_are_read_under_either_name(body: dict[str, Any], tags: dict[str, str]) -> None:
    assert decode_body(msgspec.json.encode(body), CreateTaggedResource).effective_tags() == tags


@pytest.mark.parametrize("metadata", [["env"], "env", {"env": 1}, {"env": None}])
def test_metadata_is_a_map_of_texts(metadata: Any) -> None:
    body = {"flavor": "any", "interfaces": [{"type": "external"}], "metadata": metadata}

    with pytest.raises(Invalid) as refused:
        decode_body(msgspec.json.encode(body), CreateServer)

    assert list(refused.value.fields) == ["metadata"]


def test_every_body_that_creates_a_tagged_resource_accepts_metadata() -> None:
    schemas = own_contract().document["components"]["schemas"]
    bodies = {
        name: schema["properties"]
        for name, schema in schemas.items()
        if "tags" in schema.get("properties", {}) and not re.match("Update|.*(View|Request|L7Policy|L7Rule)$", name)
    }

    assert len(bodies) > 10
    assert [name for name, fields in bodies.items() if not fields.get("metadata", {}).get("deprecated")] == []
