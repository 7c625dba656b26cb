"""SSH keys: kept or made, shared or not, each seen by those who may."""

import asyncio
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_private_key
from gcore import ConflictError, NotFoundError

from pileus.domain.account.access import Role
from pileus.domain.account.keys import ApiKey, digest
from pileus.domain.compute.ssh_keys import fingerprint
from pileus.initial_data import new_token
from pileus.store import counters
from pileus.store.account import clients, keys, user_actions
from pileus.store.compute import instances
from pileus.store.database import Tx
from tests.builders import an_instance
from tests.tenants import Tenant, client_of

PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIi04Z0SmyGWs1eXxiBJ6IlFWsPOqaQA4+BIrhzOdrYC me@example.com"
NOTHING = "00000000-0000-4000-8000-000000000000"


def keys_of(tenant: Tenant, *rest: str) -> str:
    return "/".join((f"/cloud/v1/ssh_keys/{tenant.project_id}", *rest))


async def kept(tenant: Tenant, name: str = "laptop", **more: Any) -> dict[str, Any]:
    """A key, kept over HTTP."""
    answer = await tenant.api.post(keys_of(tenant), json={"name": name, "public_key": PUBLIC, **more})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def colleague(tenant: Tenant) -> httpx.AsyncClient:
    """A client of another user of the same tenant, who may do as much."""

    async def write(tx: Tx) -> str:
        user_id = 10_000_000 + await counters.next_value(tx, "test_colleagues")
        number = await counters.next_value(tx, "api_keys")
        token = new_token(number)
        await clients.add_user(tx, user_id, tenant.client_id, "colleague@example.com", 0)
        facts: dict[str, Any] = {"id": number, "user_id": user_id, "digest": digest(token), "created_at": 0}
        await keys.add(tx, ApiKey(**facts, client_id=tenant.client_id, name="theirs", role=Role.ENGINEERS.value))
        return token

    return client_of(tenant.running, await tenant.running.cloud.db.write(write))


async def test_a_public_key_is_kept_and_shown_whole(tenant: Tenant) -> None:
    key = await kept(tenant)

    shown = (await tenant.api.get(keys_of(tenant, key["id"]))).json()
    assert key.pop("private_key", "absent") is None
    assert key == shown
    assert shown["created_at"].endswith("Z")
    del shown["created_at"], shown["id"]
    assert shown == {
        "name": "laptop",
        "public_key": PUBLIC,
        "fingerprint": fingerprint(PUBLIC),
        "project_id": tenant.project_id,
        "shared_in_project": True,
        "state": "ACTIVE",
    }


async def test_without_a_public_key_a_pair_is_made_and_its_secret_shown_once(tenant: Tenant) -> None:
    made = (await tenant.api.post(keys_of(tenant), json={"name": "made"})).json()

    private = load_ssh_private_key(made["private_key"].encode(), None)
    assert isinstance(private, Ed25519PrivateKey)
    public = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    assert (made["public_key"], made["fingerprint"]) == (public, fingerprint(public))
    shown = await tenant.api.get(keys_of(tenant, made["id"]))
    async with tenant.running.cloud.db.read() as tx:
        rows = await tx.all("SELECT * FROM ssh_keys WHERE id = :id", id=made["id"])
        lines = await tx.all("SELECT * FROM user_actions WHERE client_id = :id", id=tenant.client_id)
    assert "private_key" not in shown.json()
    assert "PRIVATE KEY" not in f"{rows}{lines}"


async def test_no_two_made_pairs_are_alike(tenant: Tenant) -> None:
    made = [(await tenant.api.post(keys_of(tenant), json={"name": f"made-{at}"})).json() for at in range(3)]

    assert len({key["private_key"] for key in made}) == len({key["fingerprint"] for key in made}) == 3


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
async def test_nonsense_is_refused_by_name(tenant: Tenant, body: dict[str, Any], field: str) -> None:
    answer = await tenant.api.post(keys_of(tenant), json=body)

    assert (answer.status_code, list(answer.json()["invalid_fields"])) == (400, [field])


async def test_a_name_is_one_keys_only_in_a_project(tenant: Tenant) -> None:
    other = (await tenant.api.post("/cloud/v1/projects", json={"name": "other"})).json()["id"]
    await kept(tenant)

    refused = await tenant.api.post(keys_of(tenant), json={"name": "laptop"})
    elsewhere = await tenant.api.post(f"/cloud/v1/ssh_keys/{other}", json={"name": "laptop"})

    assert (refused.status_code, refused.json()["exception_class"]) == (409, "ConflictError")
    assert elsewhere.status_code == 201


async def test_of_many_who_want_a_name_at_once_one_has_it(tenant: Tenant) -> None:
    body = {"name": "wanted", "public_key": PUBLIC}

    answers = await asyncio.gather(*(tenant.api.post(keys_of(tenant), json=body) for _ in range(12)))

    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 11


async def test_the_quota_of_keys_holds(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tenant.running.cloud.catalogue.quotas, "keypair_count", 1)
    await kept(tenant)

    answer = await tenant.api.post(keys_of(tenant), json={"name": "second"})

    assert (answer.status_code, answer.json()["info"]["attribute"]) == (403, "keypair_count")


@pytest.mark.parametrize(
    ("parameters", "found"),
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
async def test_a_list_is_narrowed_and_ordered(tenant: Tenant, parameters: dict[str, Any], found: list[str]) -> None:
    for name in ("alpha", "beta", "Zulu_1"):
        await kept(tenant, name)

    answer = (await tenant.api.get(keys_of(tenant), params=parameters)).json()

    assert [key["name"] for key in answer["results"]] == found
    assert answer["count"] == len(found)


async def test_ten_are_shown_unless_more_are_asked_for_and_all_are_counted(tenant: Tenant) -> None:
    for at in range(12):
        await kept(tenant, f"key-{at:02}")
    by_name = {"order_by": "name.asc"}

    first = (await tenant.api.get(keys_of(tenant), params=by_name)).json()
    rest = (await tenant.api.get(keys_of(tenant), params={**by_name, "offset": 10, "limit": 1000})).json()

    assert (first["count"], len(first["results"]), rest["count"]) == (12, 10, 12)
    assert [key["name"] for key in rest["results"]] == ["key-10", "key-11"]


@pytest.mark.parametrize(("name", "value"), [("limit", "0"), ("limit", "1001"), ("offset", "-1"), ("order_by", "id")])
async def test_a_wrong_parameter_is_named(tenant: Tenant, name: str, value: str) -> None:
    answer = await tenant.api.get(keys_of(tenant), params={name: value})

    assert (answer.status_code, list(answer.json()["invalid_fields"])) == (400, [name])


async def test_a_key_that_is_not_shared_is_its_owners_alone(tenant: Tenant) -> None:
    mine = await kept(tenant, "mine", shared_in_project=False)
    ours = await kept(tenant, "ours")
    async with await colleague(tenant) as other:
        listed = (await other.get(keys_of(tenant))).json()
        answers = [
            await other.get(keys_of(tenant, mine["id"])),
            await other.patch(keys_of(tenant, mine["id"]), json={"shared_in_project": True}),
            await other.delete(keys_of(tenant, mine["id"])),
        ]

    assert (listed["count"], [key["id"] for key in listed["results"]]) == (1, [ours["id"]])
    message = f"SSH key {mine['id']} could not be found"
    assert [(answer.status_code, answer.json()["message"]) for answer in answers] == [(404, message)] * 3
    assert (await tenant.api.get(keys_of(tenant))).json()["count"] == 2


async def test_a_key_can_be_shared_and_taken_back(tenant: Tenant) -> None:
    key = await kept(tenant, shared_in_project=False)
    one = keys_of(tenant, key["id"])

    async with await colleague(tenant) as other:
        shared = await tenant.api.patch(one, json={"shared_in_project": True, "name": "ignored"})
        seen = await other.get(one)
        taken_back = await tenant.api.patch(one, json={"shared_in_project": False})
        unseen = await other.get(one)

    assert shared.json() == seen.json() == {**taken_back.json(), "shared_in_project": True}
    assert (shared.json()["name"], unseen.status_code) == ("laptop", 404)


@pytest.mark.parametrize("body", [{}, {"shared_in_project": None}, {"shared_in_project": "perhaps"}])
async def test_sharing_says_whether(tenant: Tenant, body: dict[str, Any]) -> None:
    key = await kept(tenant)

    answer = await tenant.api.patch(keys_of(tenant, key["id"]), json=body)

    assert (answer.status_code, list(answer.json()["invalid_fields"])) == (400, ["shared_in_project"])


async def test_a_key_is_deleted_though_a_server_was_made_with_it(tenant: Tenant) -> None:
    key = await kept(tenant)
    instance = await an_instance(tenant, ssh_key_id=key["id"])

    answer = await tenant.api.delete(keys_of(tenant, key["id"]))

    assert (answer.status_code, answer.content) == (204, b"")
    assert (await tenant.api.get(keys_of(tenant, key["id"]))).status_code == 404
    assert (await tenant.api.delete(keys_of(tenant, key["id"]))).status_code == 404
    assert (await kept(tenant))["id"] != key["id"]
    async with tenant.running.cloud.db.read() as tx:
        assert (await instances.get(tx, instance.place, instance.id)).ssh_key_id == key["id"]


async def test_a_strangers_key_is_as_one_that_never_was(tenant: Tenant, stranger: Tenant) -> None:
    key = await kept(tenant)

    for where in (tenant, stranger):
        for number in (key["id"], NOTHING):
            for verb, body in (("GET", None), ("PATCH", {"shared_in_project": False}), ("DELETE", None)):
                answer = await stranger.api.request(verb, keys_of(where, number), json=body)
                told = answer.status_code, answer.json()["message"]
                assert told == (404, f"SSH key {number} could not be found")


@pytest.mark.parametrize("whose", ["a stranger's", "nobody's"])
async def test_a_project_that_is_not_there_has_no_keys(tenant: Tenant, stranger: Tenant, whose: str) -> None:
    number = stranger.project_id if whose == "a stranger's" else 987654321

    answers = [
        await tenant.api.get(f"/cloud/v1/ssh_keys/{number}"),
        await tenant.api.post(f"/cloud/v1/ssh_keys/{number}", json={"name": "laptop"}),
    ]

    message = f"Project {number} could not be found"
    assert [(answer.status_code, answer.json()["message"]) for answer in answers] == [(404, message)] * 2


async def test_readers_change_nothing(tenant: Tenant) -> None:
    key = await kept(tenant)
    reader = tenant.clients[Role.USERS]

    answers = [
        await reader.post(keys_of(tenant), json={"name": "mine"}),
        await reader.patch(keys_of(tenant, key["id"]), json={"shared_in_project": False}),
        await reader.delete(keys_of(tenant, key["id"])),
    ]

    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert (await reader.get(keys_of(tenant))).json()["count"] == 1


async def test_every_change_is_in_the_audit_log(tenant: Tenant) -> None:
    key = await kept(tenant)
    await tenant.api.patch(keys_of(tenant, key["id"]), json={"shared_in_project": False})
    await tenant.api.post(keys_of(tenant), json={"name": "laptop"})
    await tenant.api.delete(keys_of(tenant, key["id"]))

    async with tenant.running.cloud.db.read() as tx:
        lines = await user_actions.TABLE.find(tx, "client_id = :id ORDER BY created_at", id=tenant.client_id)

    told = [(line.api_group, line.action_type, line.project_id, line.action_data) for line in lines]
    assert told == [
        ("ssh_key", "create", tenant.project_id, None),
        ("ssh_key", "update", tenant.project_id, {"shared_in_project": False}),
        ("ssh_key", "delete", tenant.project_id, None),
    ]
    resource = {"resource_id": key["id"], "resource_type": "ssh_key", "search_field": "laptop"}
    assert [line.resources for line in lines] == [[resource]] * 3


async def test_the_official_client_does_it_all(tenant: Tenant) -> None:
    ssh_keys = tenant.sdk.cloud.ssh_keys

    made = await ssh_keys.create(name="made")
    mine = await ssh_keys.create(name="mine", public_key=PUBLIC, shared_in_project=False)
    shared = await ssh_keys.update(mine.id, shared_in_project=True)
    listed = [key.id async for key in ssh_keys.list(limit=1, order_by="name.asc")]

    assert made.private_key is not None
    assert made.private_key.startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    assert (mine.private_key, shared.shared_in_project) == (None, True)
    assert listed == [made.id, mine.id]
    assert (await ssh_keys.get(mine.id)) == shared
    with pytest.raises(ConflictError):
        await ssh_keys.create(name="made")
    await ssh_keys.delete(mine.id)
    with pytest.raises(NotFoundError):
        await ssh_keys.get(mine.id)
