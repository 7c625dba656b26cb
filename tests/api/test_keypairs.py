"""Key pairs: the SSH keys of today under the names of yesterday."""

from tests.api.test_ssh_keys import PUBLIC, colleague, kept, keys_of
from tests.tenants import Tenant

ANYWHERE = "/cloud/v2/keypairs"


async def test_a_key_of_either_name_is_the_same(tenant: Tenant) -> None:
    here = tenant.path("keypairs")
    imported = (await tenant.api.post(here, json={"sshkey_name": "laptop", "public_key": PUBLIC})).json()
    made = (await tenant.api.post(ANYWHERE, json={"sshkey_name": "made", "project_id": tenant.project_id})).json()
    modern = await kept(tenant, "modern")

    shown = (await tenant.api.get(keys_of(tenant, imported["sshkey_id"]))).json()
    assert (shown["name"], shown["fingerprint"]) == ("laptop", imported["fingerprint"])
    assert (imported["private_key"], "OPENSSH PRIVATE KEY" in made["private_key"]) == (None, True)
    for path in (here, ANYWHERE, f"{ANYWHERE}?project_id={tenant.project_id}&user_id={tenant.client_id}"):
        listed = (await tenant.api.get(path)).json()["results"]
        assert {each["sshkey_name"] for each in listed} == {"laptop", "made", "modern"}
        assert {each["private_key"] for each in listed} == {None}
    assert (await tenant.api.get(f"{here}/{modern['id']}")).json()["sshkey_name"] == "modern"
    assert (await tenant.api.get(f"{ANYWHERE}/{modern['id']}")).json()["public_key"] == PUBLIC


async def test_what_is_not_shared_is_its_owners_alone(tenant: Tenant) -> None:
    key = await kept(tenant)
    path = tenant.path("keypairs", key["id"], "share")
    theirs = await colleague(tenant)

    shared = (await tenant.api.patch(path, json={"shared_in_project": False})).json()

    assert shared["shared_in_project"] is False
    assert (await theirs.get(f"{ANYWHERE}/{key['id']}")).status_code == 404
    assert (await theirs.get(ANYWHERE)).json()["count"] == 0
    assert (await tenant.api.get(ANYWHERE)).json()["count"] == 1
    await theirs.aclose()


async def test_keys_are_deleted_by_either_path(tenant: Tenant, stranger: Tenant) -> None:
    one, two = await kept(tenant, "one"), await kept(tenant, "two")

    assert (await stranger.api.delete(f"{ANYWHERE}/{one['id']}")).status_code == 404
    assert (await tenant.api.delete(f"{ANYWHERE}/{one['id']}")).status_code == 204
    assert (await tenant.api.delete(tenant.path("keypairs", two["id"]))).status_code == 204
    assert (await tenant.api.get(ANYWHERE)).json()["count"] == 0
    body = {"sshkey_name": "mine", "project_id": stranger.project_id, "public_key": PUBLIC}
    assert (await tenant.api.post(ANYWHERE, json=body)).status_code == 404
    assert (await tenant.api.get(f"{ANYWHERE}?project_id={stranger.project_id}")).status_code == 404
