"""The deprecated routes of SSH keys."""

from tests.api.test_ssh_keys import PUBLIC, colleague_client, create_key, keys_path
from tests.tenants import Tenant

ALL_PROJECTS = "/cloud/v2/keypairs"


async def test_key_pairs_and_ssh_keys_are_the_same_records(tenant: Tenant) -> None:
    project_path = tenant.path("keypairs")
    imported = (await tenant.api.post(project_path, json={"sshkey_name": "laptop", "public_key": PUBLIC})).json()
    generated = (
        await tenant.api.post(ALL_PROJECTS, json={"sshkey_name": "made", "project_id": tenant.project_id})
    ).json()
    modern = await create_key(tenant, "modern")

    view = (await tenant.api.get(keys_path(tenant, imported["sshkey_id"]))).json()
    assert (view["name"], view["fingerprint"]) == ("laptop", imported["fingerprint"])
    assert (imported["private_key"], "OPENSSH PRIVATE KEY" in generated["private_key"]) == (None, True)
    for path in (
        project_path,
        ALL_PROJECTS,
        f"{ALL_PROJECTS}?project_id={tenant.project_id}&user_id={tenant.client_id}",
    ):
        listed = (await tenant.api.get(path)).json()["results"]
        assert {key["sshkey_name"] for key in listed} == {"laptop", "made", "modern"}
        assert {key["private_key"] for key in listed} == {None}
    assert (await tenant.api.get(f"{project_path}/{modern['id']}")).json()["sshkey_name"] == "modern"
    assert (await tenant.api.get(f"{ALL_PROJECTS}/{modern['id']}")).json()["public_key"] == PUBLIC


async def test_an_unshared_key_is_visible_to_its_owner_only(tenant: Tenant) -> None:
    key = await create_key(tenant)
    path = tenant.path("keypairs", key["id"], "share")
    colleague_api = await colleague_client(tenant)

    shared = (await tenant.api.patch(path, json={"shared_in_project": False})).json()

    assert shared["shared_in_project"] is False
    assert (await colleague_api.get(f"{ALL_PROJECTS}/{key['id']}")).status_code == 404
    assert (await colleague_api.get(ALL_PROJECTS)).json()["count"] == 0
    assert (await tenant.api.get(ALL_PROJECTS)).json()["count"] == 1
    await colleague_api.aclose()


async def test_keys_are_deleted_by_both_paths(tenant: Tenant, stranger: Tenant) -> None:
    first, second = await create_key(tenant, "one"), await create_key(tenant, "two")

    assert (await stranger.api.delete(f"{ALL_PROJECTS}/{first['id']}")).status_code == 404
    assert (await tenant.api.delete(f"{ALL_PROJECTS}/{first['id']}")).status_code == 204
    assert (await tenant.api.delete(tenant.path("keypairs", second["id"]))).status_code == 204
    assert (await tenant.api.get(ALL_PROJECTS)).json()["count"] == 0
    body = {"sshkey_name": "mine", "project_id": stranger.project_id, "public_key": PUBLIC}
    assert (await tenant.api.post(ALL_PROJECTS, json=body)).status_code == 404
    assert (await tenant.api.get(f"{ALL_PROJECTS}?project_id={stranger.project_id}")).status_code == 404
