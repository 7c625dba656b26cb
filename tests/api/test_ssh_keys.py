"""SSH keys: imported or generated, shared or not, and visible to those who may use them."""

import asyncio
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_private_key
from gcore import ConflictError, NotFoundError

from pileus.domain.account.access import Role
from pileus.domain.account.api_keys import ApiKey, hash_api_token
from pileus.domain.compute.ssh_keys import md5_fingerprint
from pileus.services.account.api_keys import generate_api_token
from pileus.store import counters
from pileus.store.account import api_keys, clients, user_actions
from pileus.store.compute import instances
from pileus.store.database import Tx
from tests.builders import an_instance
from tests.tenants import Tenant, client_of

PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIi04Z0SmyGWs1eXxiBJ6IlFWsPOqaQA4+BIrhzOdrYC me@example.com"
UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"


def keys_path(tenant: Tenant, *rest: str) -> str:
    return "/".join((f"/cloud/v1/ssh_keys/{tenant.project_id}", *rest))


async def create_key(tenant: Tenant, name: str = "laptop", **more: Any) -> dict[str, Any]:
    """Create a key over HTTP."""
    answer = await tenant.api.post(keys_path(tenant), json={"name": name, "public_key": PUBLIC, **more})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def colleague_client(tenant: Tenant) -> httpx.AsyncClient:
    """Return a client of another user of the same tenant, with the same rights."""

    async def write(tx: Tx) -> str:
        user_id = 10_000_000 + await counters.increment(tx, "test_colleagues")
        number = await counters.increment(tx, "api_keys")
        token = generate_api_token(number)
        await clients.add_user(tx, user_id, tenant.client_id, f"colleague-{user_id}@example.com", 0)
        fields: dict[str, Any] = {"id": number, "user_id": user_id, "digest": hash_api_token(token), "created_at": 0}
        await api_keys.add(tx, ApiKey(**fields, client_id=tenant.client_id, name="theirs", role=Role.ENGINEERS.value))
        return token

    return client_of(tenant.running, await tenant.running.app_state.db.write(write))


async def test_an_imported_key_has_all_fields(tenant: Tenant) -> None:
    key = await create_key(tenant)

    view = (await tenant.api.get(keys_path(tenant, key["id"]))).json()
    assert key.pop("private_key", "absent") is None
    assert key == view
    assert view["created_at"].endswith("Z")
    del view["created_at"], view["id"]
    assert view == {
        "name": "laptop",
        "public_key": PUBLIC,
        "fingerprint": md5_fingerprint(PUBLIC),
        "project_id": tenant.project_id,
        "shared_in_project": True,
        "state": "ACTIVE",
    }


async def test_a_generated_private_key_is_shown_once(tenant: Tenant) -> None:
    generated = (await tenant.api.post(keys_path(tenant), json={"name": "made"})).json()

    private = load_ssh_private_key(generated["private_key"].encode(), None)
    assert isinstance(private, Ed25519PrivateKey)
    public = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    assert (generated["public_key"], generated["fingerprint"]) == (public, md5_fingerprint(public))
    view = await tenant.api.get(keys_path(tenant, generated["id"]))
    async with tenant.running.app_state.db.read() as tx:
        rows = await tx.all("SELECT * FROM ssh_keys WHERE id = :id", id=generated["id"])
        actions = await tx.all("SELECT * FROM user_actions WHERE client_id = :id", id=tenant.client_id)
    assert "private_key" not in view.json()
    assert "PRIVATE KEY" not in f"{rows}{actions}"


async def test_generated_key_pairs_differ(tenant: Tenant) -> None:
    generated = [
        (await tenant.api.post(keys_path(tenant), json={"name": f"made-{number}"})).json() for number in range(3)
    ]

    assert len({key["private_key"] for key in generated}) == len({key["fingerprint"] for key in generated}) == 3


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"public_key": PUBLIC}, "name"),
        ({"name": "ab", "public_key": PUBLIC}, "name"),
        ({"name": "-no-", "public_key": PUBLIC}, "name"),
        ({"name": "laptop", "public_key": "nonsense"}, "public_key"),
        ({"name": "laptop", "public_key": ""}, "public_key"),
        ({"name": "laptop", "public_key": "ssh-ed25519 AAAA"}, "public_key"),
        ({"name": "laptop", "public_key": PUBLIC.replace("ssh-ed25519", "ssh-rsa")}, "public_key"),
        ({"name": "laptop", "public_key": f"{PUBLIC}\n{PUBLIC}"}, "public_key"),
        ({"name": "laptop", "public_key": 5}, "public_key"),
        ({"name": "laptop", "public_key": PUBLIC, "shared_in_project": "perhaps"}, "shared_in_project"),
    ],
)
async def test_an_invalid_field_is_named(tenant: Tenant, body: dict[str, Any], field: str) -> None:
    answer = await tenant.api.post(keys_path(tenant), json=body)

    assert (answer.status_code, list(answer.json()["invalid_fields"])) == (400, [field])


async def test_a_name_is_unique_in_a_project(tenant: Tenant) -> None:
    other = (await tenant.api.post("/cloud/v1/projects", json={"name": "other"})).json()["id"]
    await create_key(tenant)

    refused = await tenant.api.post(keys_path(tenant), json={"name": "laptop"})
    elsewhere = await tenant.api.post(f"/cloud/v1/ssh_keys/{other}", json={"name": "laptop"})

    assert (refused.status_code, refused.json()["exception_class"]) == (409, "ConflictError")
    assert elsewhere.status_code == 201


async def test_one_of_many_concurrent_creates_gets_the_name(tenant: Tenant) -> None:
    body = {"name": "wanted", "public_key": PUBLIC}

    answers = await asyncio.gather(*(tenant.api.post(keys_path(tenant), json=body) for _ in range(12)))

    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 11


async def test_the_quota_limits_keys(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tenant.running.app_state.catalogue.quotas, "keypair_count", 1)
    await create_key(tenant)

    answer = await tenant.api.post(keys_path(tenant), json={"name": "second"})

    assert (answer.status_code, answer.json()["info"]["attribute"]) == (400, "keypair_count")


@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        ({}, ["Zulu_1", "beta", "alpha"]),
        ({"order_by": "created_at.asc"}, ["alpha", "beta", "Zulu_1"]),
        ({"order_by": "created_at.desc"}, ["Zulu_1", "beta", "alpha"]),
        ({"order_by": "name.asc"}, ["Zulu_1", "alpha", "beta"]),
        ({"order_by": "name.desc"}, ["beta", "alpha", "Zulu_1"]),
        ({"name": "ph"}, ["alpha"]),
        ({"name": "ALP"}, ["alpha"]),
        ({"name": "a", "order_by": "name.asc"}, ["alpha", "beta"]),
        ({"name": "_"}, ["Zulu_1"]),
        ({"name": "%"}, []),
        ({"name": "\\"}, []),
        ({"name": ""}, ["Zulu_1", "beta", "alpha"]),
    ],
)
async def test_a_list_is_filtered_and_sorted(tenant: Tenant, parameters: dict[str, Any], names: list[str]) -> None:
    for name in ("alpha", "beta", "Zulu_1"):
        await create_key(tenant, name)

    answer = (await tenant.api.get(keys_path(tenant), params=parameters)).json()

    assert [key["name"] for key in answer["results"]] == names
    assert answer["count"] == len(names)


async def test_a_page_has_ten_keys_by_default_and_the_total_count(tenant: Tenant) -> None:
    for number in range(12):
        await create_key(tenant, f"key-{number:02}")
    by_name = {"order_by": "name.asc"}

    first = (await tenant.api.get(keys_path(tenant), params=by_name)).json()
    rest = (await tenant.api.get(keys_path(tenant), params={**by_name, "offset": 10, "limit": 1000})).json()

    assert (first["count"], len(first["results"]), rest["count"]) == (12, 10, 12)
    assert [key["name"] for key in rest["results"]] == ["key-10", "key-11"]


@pytest.mark.parametrize(("name", "value"), [("limit", "0"), ("limit", "1001"), ("offset", "-1"), ("order_by", "id")])
async def test_an_invalid_parameter_is_named(tenant: Tenant, name: str, value: str) -> None:
    answer = await tenant.api.get(keys_path(tenant), params={name: value})

    assert (answer.status_code, list(answer.json()["invalid_fields"])) == (400, [name])


async def test_an_unshared_key_is_visible_to_its_owner_only(tenant: Tenant) -> None:
    private_key = await create_key(tenant, "mine", shared_in_project=False)
    shared_key = await create_key(tenant, "ours")
    async with await colleague_client(tenant) as other:
        listed = (await other.get(keys_path(tenant))).json()
        answers = [
            await other.get(keys_path(tenant, private_key["id"])),
            await other.patch(keys_path(tenant, private_key["id"]), json={"shared_in_project": True}),
            await other.delete(keys_path(tenant, private_key["id"])),
        ]

    assert (listed["count"], [key["id"] for key in listed["results"]]) == (1, [shared_key["id"]])
    message = f"SSH key {private_key['id']} could not be found"
    assert [(answer.status_code, answer.json()["message"]) for answer in answers] == [(404, message)] * 3
    assert (await tenant.api.get(keys_path(tenant))).json()["count"] == 2


async def test_a_key_can_be_shared_and_unshared(tenant: Tenant) -> None:
    key = await create_key(tenant, shared_in_project=False)
    path = keys_path(tenant, key["id"])

    async with await colleague_client(tenant) as other:
        shared = await tenant.api.patch(path, json={"shared_in_project": True, "name": "ignored"})
        visible = await other.get(path)
        unshared = await tenant.api.patch(path, json={"shared_in_project": False})
        hidden = await other.get(path)

    assert shared.json() == visible.json() == {**unshared.json(), "shared_in_project": True}
    assert (shared.json()["name"], hidden.status_code) == ("laptop", 404)


@pytest.mark.parametrize("body", [{}, {"shared_in_project": None}, {"shared_in_project": "perhaps"}])
async def test_the_sharing_flag_is_required(tenant: Tenant, body: dict[str, Any]) -> None:
    key = await create_key(tenant)

    answer = await tenant.api.patch(keys_path(tenant, key["id"]), json=body)

    assert (answer.status_code, list(answer.json()["invalid_fields"])) == (400, ["shared_in_project"])


async def test_a_key_in_use_can_be_deleted(tenant: Tenant) -> None:
    key = await create_key(tenant)
    instance = await an_instance(tenant, ssh_key_id=key["id"])

    answer = await tenant.api.delete(keys_path(tenant, key["id"]))

    assert (answer.status_code, answer.content) == (204, b"")
    assert (await tenant.api.get(keys_path(tenant, key["id"]))).status_code == 404
    assert (await tenant.api.delete(keys_path(tenant, key["id"]))).status_code == 404
    assert (await create_key(tenant))["id"] != key["id"]
    async with tenant.running.app_state.db.read() as tx:
        assert (await instances.get(tx, instance.place, instance.id)).ssh_key_id == key["id"]


async def test_a_key_of_another_tenant_is_not_found(tenant: Tenant, stranger: Tenant) -> None:
    key = await create_key(tenant)

    for owner in (tenant, stranger):
        for key_id in (key["id"], UNKNOWN_ID):
            for verb, body in (("GET", None), ("PATCH", {"shared_in_project": False}), ("DELETE", None)):
                answer = await stranger.api.request(verb, keys_path(owner, key_id), json=body)
                refusal = answer.status_code, answer.json()["message"]
                assert refusal == (404, f"SSH key {key_id} could not be found")


@pytest.mark.parametrize("whose", ["a stranger's", "nobody's"])
async def test_unknown_projects_have_no_keys(tenant: Tenant, stranger: Tenant, whose: str) -> None:
    number = stranger.project_id if whose == "a stranger's" else 987654321

    answers = [
        await tenant.api.get(f"/cloud/v1/ssh_keys/{number}"),
        await tenant.api.post(f"/cloud/v1/ssh_keys/{number}", json={"name": "laptop"}),
    ]

    message = f"Project {number} could not be found"
    assert [(answer.status_code, answer.json()["message"]) for answer in answers] == [(404, message)] * 2


async def test_a_read_only_role_cannot_change_keys(tenant: Tenant) -> None:
    key = await create_key(tenant)
    reader = tenant.clients[Role.USERS]

    answers = [
        await reader.post(keys_path(tenant), json={"name": "mine"}),
        await reader.patch(keys_path(tenant, key["id"]), json={"shared_in_project": False}),
        await reader.delete(keys_path(tenant, key["id"])),
    ]

    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert (await reader.get(keys_path(tenant))).json()["count"] == 1


async def test_every_change_is_in_the_audit_log(tenant: Tenant) -> None:
    key = await create_key(tenant)
    await tenant.api.patch(keys_path(tenant, key["id"]), json={"shared_in_project": False})
    await tenant.api.post(keys_path(tenant), json={"name": "laptop"})
    await tenant.api.delete(keys_path(tenant, key["id"]))

    async with tenant.running.app_state.db.read() as tx:
        actions = await user_actions.TABLE.find(tx, "client_id = :id ORDER BY created_at", id=tenant.client_id)

    entries = [(action.api_group, action.action_type, action.project_id, action.action_data) for action in actions]
    assert entries == [
        ("ssh_key", "create", tenant.project_id, None),
        ("ssh_key", "update", tenant.project_id, {"shared_in_project": False}),
        ("ssh_key", "delete", tenant.project_id, None),
    ]
    resource = {"resource_id": key["id"], "resource_type": "ssh_key", "search_field": "laptop"}
    assert [action.resources for action in actions] == [[resource]] * 3


async def test_the_official_client_creates_shares_lists_and_deletes_keys(tenant: Tenant) -> None:
    ssh_keys = tenant.sdk.cloud.ssh_keys

    generated = await ssh_keys.create(name="made")
    imported = await ssh_keys.create(name="mine", public_key=PUBLIC, shared_in_project=False)
    shared = await ssh_keys.update(imported.id, shared_in_project=True)
    listed = [key.id async for key in ssh_keys.list(limit=1, order_by="name.asc")]

    assert generated.private_key is not None
    assert generated.private_key.startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    assert (imported.private_key, shared.shared_in_project) == (None, True)
    assert listed == [generated.id, imported.id]
    assert (await ssh_keys.get(imported.id)) == shared
    with pytest.raises(ConflictError):
        await ssh_keys.create(name="made")
    await ssh_keys.delete(imported.id)
    with pytest.raises(NotFoundError):
        await ssh_keys.get(imported.id)
