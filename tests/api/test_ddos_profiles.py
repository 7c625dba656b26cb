"""Protection of addresses: templates, profiles and their tasks."""

from typing import Any

import pytest

from tests.builders import an_instance, list_addresses, list_ports
from tests.tenants import Tenant

BY_REGION = ("profile-templates", "region_coverage", "accessibility")


def profiles(tenant: Tenant, *rest: str) -> str:
    return "/".join((f"/cloud/v1/ddos/profiles/{tenant.place_path}", *rest))


async def _public_address(tenant: Tenant) -> str:
    instance = await an_instance(tenant)
    (port,) = await list_ports(tenant, instance)
    (address,) = await list_addresses(tenant, port)
    return address


async def _create_profile(tenant: Tenant, address: str) -> int:
    answer = await tenant.api.post(profiles(tenant), json={"ip_address": address, "profile_template": 1})
    task = await tenant.wait_until_finished(answer)
    (number,) = task["created_resources"]["ddos_profiles"]
    return int(number)


async def _list_profiles(tenant: Tenant, **filters: Any) -> list[dict[str, Any]]:
    answer = await tenant.api.get(profiles(tenant), params=filters)
    assert answer.json()["count"] == len(answer.json()["results"])
    return list(answer.json()["results"])


@pytest.mark.parametrize("noun", BY_REGION)
async def test_a_region_shows_its_ddos_protection(tenant: Tenant, noun: str) -> None:
    answer = await tenant.api.get(f"/cloud/v1/ddos/{noun}/1")
    nowhere = await tenant.api.get(f"/cloud/v1/ddos/{noun}/99")

    assert answer.status_code == 200
    assert nowhere.status_code == 404


async def test_the_price_comes_from_the_catalogue(tenant: Tenant) -> None:
    price = (await tenant.api.get("/cloud/v1/pricing/1/ddos")).json()["price"]

    assert (price["price_per_hour"], price["price_per_day"], price["price_per_30d"]) == (0.05, 1.2, 36.0)


async def test_a_profile_has_the_answers_to_its_template(tenant: Tenant) -> None:
    address = await _public_address(tenant)
    fields = [{"base_field": 11, "field_value": [80]}]

    answer = await tenant.api.post(
        profiles(tenant), json={"ip_address": address, "profile_template": 1, "fields": fields}
    )
    await tenant.wait_until_finished(answer)

    (profile,) = await _list_profiles(tenant)
    assert (profile["ip_address"], profile["managed_by"], profile["status"]["status"]) == (address, "user", "Active")
    assert {entry["base_field"]: entry["field_value"] for entry in profile["fields"]} == {11: [80], 12: "1000"}


async def test_an_answer_as_text_is_kept_in_creations_and_updates(tenant: Tenant) -> None:
    address = await _public_address(tenant)
    body = {"ip_address": address, "profile_template": 1, "fields": [{"base_field": 12, "value": "500"}]}

    await tenant.wait_until_finished(await tenant.api.post(profiles(tenant), json=body))
    (created,) = await _list_profiles(tenant)
    body["fields"] = [{"base_field": 11, "field_value": [443]}, {"base_field": 12, "value": "600"}]
    await tenant.wait_until_finished(await tenant.api.patch(profiles(tenant, str(created["id"])), json=body))
    (updated,) = await _list_profiles(tenant)

    assert [(entry["base_field"], entry["field_value"], entry["value"]) for entry in created["fields"]] == [
        (11, "80,443", None),
        (12, "500", "500"),
    ]
    assert [(entry["base_field"], entry["field_value"], entry["value"]) for entry in updated["fields"]] == [
        (11, [443], None),
        (12, "600", "600"),
    ]


async def test_a_new_profile_is_active_and_uses_bgp(tenant: Tenant) -> None:
    await _create_profile(tenant, await _public_address(tenant))

    (profile,) = await _list_profiles(tenant)

    assert profile["options"] == {"active": True, "bgp": True}


async def test_an_address_can_have_one_profile(tenant: Tenant) -> None:
    address = await _public_address(tenant)
    await _create_profile(tenant, address)

    again = await tenant.api.post(profiles(tenant), json={"ip_address": address, "profile_template": 1})

    assert again.status_code == 409


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"profile_template": 1, "ip_address": "not-an-address"}, "ip_address"),
        ({"profile_template": 99, "ip_address": "198.18.0.9"}, "profile_template"),
        ({"profile_template": 1, "ip_address": "198.18.0.9", "fields": [{"base_field": 77}]}, "fields"),
        ({"profile_template": 2, "ip_address": "198.18.0.9"}, "fields"),
    ],
)
async def test_an_invalid_profile_is_refused_with_its_field(tenant: Tenant, body: dict[str, Any], field: str) -> None:
    answer = await tenant.api.post(profiles(tenant), json=body)

    assert answer.status_code == 400
    assert list(answer.json()["invalid_fields"]) == [field]


async def test_addresses_of_other_tenants_are_not_found(tenant: Tenant, stranger: Tenant) -> None:
    address = await _public_address(stranger)

    answer = await tenant.api.post(profiles(tenant), json={"ip_address": address, "profile_template": 1})

    assert (answer.status_code, answer.json()["message"]) == (404, f"Address {address} could not be found")


async def test_a_profile_is_switched_updated_and_deleted(tenant: Tenant) -> None:
    address, other = await _public_address(tenant), await _public_address(tenant)
    number = str(await _create_profile(tenant, address))

    await tenant.wait_until_finished(
        await tenant.api.post(profiles(tenant, number, "action"), json={"active": False, "bgp": True})
    )
    (off,) = await _list_profiles(tenant)
    change = {"ip_address": other, "profile_template": 1, "fields": [{"base_field": 12, "field_value": 5}]}
    await tenant.wait_until_finished(await tenant.api.patch(profiles(tenant, number), json=change))
    (moved,) = await _list_profiles(tenant, ip_address=other)
    after_deletion = await _list_profiles(tenant, ip_address=address)
    await tenant.wait_until_finished(await tenant.api.delete(profiles(tenant, number)))

    assert off["options"] == {"active": False, "bgp": True}
    assert moved["ip_address"] == other
    assert after_deletion == []
    assert await _list_profiles(tenant) == []


async def test_a_failed_change_leaves_the_profile_as_it_was(tenant: Tenant) -> None:
    address, other = await _public_address(tenant), await _public_address(tenant)
    number = str(await _create_profile(tenant, address))
    await tenant.api.post("/_pileus/faults", json={"kind": "fail", "task_type": "update_ddos_profile", "times": 1})

    answer = await tenant.api.patch(profiles(tenant, number), json={"ip_address": other, "profile_template": 1})
    task = await tenant.wait_for_task(answer.json()["tasks"][0])

    (profile,) = await _list_profiles(tenant)
    assert task["state"] == "ERROR"
    assert (profile["ip_address"], profile["status"]["status"]) == (address, "Active")


async def test_profiles_are_filtered_ordered_and_paged(tenant: Tenant) -> None:
    numbers = [await _create_profile(tenant, await _public_address(tenant)) for _ in range(3)]

    page = (await tenant.api.get(profiles(tenant), params={"order_by": "id.desc", "limit": 2, "offset": 1})).json()

    assert page["count"] == 3
    assert [profile["id"] for profile in page["results"]] == [numbers[1], numbers[0]]
    assert len(await _list_profiles(tenant, ip_address="198.18.0.0/15")) == 3
    assert await _list_profiles(tenant, managed_by="system") == []
    assert (await tenant.api.get(profiles(tenant), params={"ip_address": "x"})).status_code == 400
