"""Each start synchronizes the records with the catalogue: it updates changed entries and hides removed ones."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from pileus.app import run_cloud
from pileus.domain.account.access import Role
from pileus.domain.errors import Invalid
from tests.app_settings import checked_settings
from tests.builders import BARE_METAL, a_port, an_image, an_instance
from tests.orders import an_order
from tests.tenants import REGION, Tenant, client_of, new_tenant

BUILT_IN = (resources.files("pileus") / "catalogue.toml").read_text("utf-8")
ONE, OTHER = 'id = "g1-standard-1-2"', 'id = "g1-standard-1-2-new"'
RENAMED_IMAGE = ('name = "debian-12-generic-x64"', 'name = "debian-12-new"')
SMALL = "g1-standard-1-2"


class Starts:
    """Starts of a cloud on one database, each with a different catalogue."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url, self._folder = url, folder

    def with_changes(self, *changes: tuple[str, str]) -> Any:
        """Start the cloud; each change is a text of the built-in catalogue and its replacement."""
        text = BUILT_IN
        for before, after in changes:
            assert before in text
            text = text.replace(before, after)
        file = self._folder / "catalogue.toml"
        file.write_text(text, encoding="utf-8")
        return run_cloud(
            checked_settings(data=self._folder / "data", database=self._url, catalogue=str(file), log_level="error")
        )


@pytest.fixture
def starts(url: str, tmp_path: Path) -> Starts:
    return Starts(url, tmp_path)


async def list_names(tenant: Tenant, noun: str, key: str = "name", **parameters: Any) -> set[str]:
    """Return the names, or other values, in a list."""
    answer = await tenant.api.get(tenant.path(noun), params=parameters)
    return {view[key] for view in answer.json()["results"]}


@asynccontextmanager
async def restart(starts: Starts, tenant: Tenant, *changes: tuple[str, str]) -> AsyncIterator[Tenant]:
    """Restart the cloud, and return the same tenant."""
    token = tenant.tokens[Role.ADMINISTRATORS]
    async with starts.with_changes(*changes) as running, client_of(running, token) as api:
        yield replace(tenant, running=running, api=api)


async def test_images_follow_and_those_that_go_can_still_be_told(starts: Starts) -> None:
    async with starts.with_changes() as running, new_tenant(running) as tenant:
        listed = (await tenant.api.get(tenant.path("images"))).json()["results"]
        debian = next(image for image in listed if image["name"] == "debian-12-generic-x64")
        own = await an_image(tenant)
        body = {"source": "image", "image_id": debian["id"], "size": 5, "name": "made"}
        task = await tenant.wait_until_finished(await tenant.api.post(tenant.path("volumes"), json=body))
        (volume_id,) = task["created_resources"]["volumes"]

    larger = ("size = 2147483648", "size = 2147483649")
    async with restart(starts, tenant, larger) as tenant:
        changed = (await tenant.api.get(tenant.path("images", debian["id"]))).json()
    async with restart(starts, tenant, RENAMED_IMAGE) as tenant:
        image_names = await list_names(tenant, "images")
        gone = await tenant.api.get(tenant.path("images", debian["id"]))
        refused = await tenant.api.post(tenant.path("volumes"), json=body)
        volume = (await tenant.api.get(tenant.path("volumes", volume_id))).json()
    async with restart(starts, tenant) as tenant:
        back = (await tenant.api.get(tenant.path("images", debian["id"]))).json()

    assert (changed["size"], changed["created_at"]) == (2147483649, debian["created_at"])
    assert {"debian-12-new", own.name} < image_names
    assert "debian-12-generic-x64" not in image_names
    assert [gone.status_code, refused.status_code] == [404, 404]
    assert volume["volume_image_metadata"]["image_name"] == "debian-12-generic-x64"
    assert back["size"] == debian["size"]


async def test_a_flavor_that_goes_stays_that_of_its_servers(starts: Starts) -> None:
    async with starts.with_changes() as running, new_tenant(running) as tenant:
        instance = await an_instance(tenant)
        metal = await an_instance(tenant, flavor_id=BARE_METAL)
    gone = (ONE, OTHER), (f'id = "{BARE_METAL}"', 'id = "bm9-new"')

    for _ in range(2):
        async with restart(starts, tenant, *gone) as tenant:
            path = tenant.path("instances", instance.id)
            view = (await tenant.api.get(path)).json()
            listed = await list_names(tenant, "instances", include_baremetal="true")
            offered = await list_names(tenant, "flavors", "flavor_id")
            refused = await tenant.api.post(tenant.path("instances", version=2), json=an_order())
            price = (await tenant.api.get(f"/cloud/v1/pricing/{tenant.place_path}/instances/{instance.id}")).json()
            used = (await tenant.api.post(tenant.path("bminstances", "check_limits"), json={})).json()
            server = (await tenant.api.get(tenant.path("bminstances", metal.id))).json()
            act = tenant.path("instances", instance.id, "action", version=2)
            for action in ("stop", "start"):
                await tenant.wait_until_finished(await tenant.api.post(act, json={"action": action}))

        assert (view["flavor"]["flavor_id"], view["flavor"]["vcpus"], listed) == (SMALL, 1, {"web"})
        assert (SMALL in offered, OTHER.split('"')[1] in offered) == (False, True)
        assert (refused.status_code, list(refused.json()["invalid_fields"])) == (400, ["flavor"])
        assert price["price_per_month"] > 0
        assert (used, server["flavor"]["flavor_id"]) == ({}, BARE_METAL)

    async with restart(starts, tenant) as tenant:
        assert SMALL in await list_names(tenant, "flavors", "flavor_id")


async def test_a_flavor_that_changes_is_shown_as_it_is_now(starts: Starts) -> None:
    async with starts.with_changes() as running, new_tenant(running) as tenant:
        instance = await an_instance(tenant)

    async with restart(starts, tenant, (f"{ONE}\nvcpus = 1\n", f"{ONE}\nvcpus = 2\n")) as tenant:
        view = (await tenant.api.get(tenant.path("instances", instance.id))).json()

    assert view["flavor"]["vcpus"] == 2


async def test_networks_follow_and_one_that_goes_gives_no_new_addresses(starts: Starts) -> None:
    async with starts.with_changes() as running, new_tenant(running) as tenant:
        (public,) = (await tenant.api.get(f"/cloud/v1/availablenetworks/{tenant.place_path}")).json()["results"]
        port = await a_port(tenant)
    changes = ('name = "pub_net"', 'name = "outside"'), ("198.18.", "198.19."), ("2001:db8:", "2001:db9:")

    async with restart(starts, tenant, *changes) as tenant:
        now = await list_names(tenant, "availablenetworks")
        kept = (await tenant.api.get(tenant.path("reserved_fixed_ips", port.id))).json()
        old = {"type": "any_subnet", "network_id": public["id"]}
        refused = await tenant.api.post(tenant.path("reserved_fixed_ips"), json=old)
        new = await tenant.wait_until_finished(await tenant.api.post(tenant.path("floatingips"), json={}))
        given = (await tenant.api.get(tenant.path("floatingips", new["created_resources"]["floatingips"][0]))).json()
        freed = await tenant.api.delete(tenant.path("reserved_fixed_ips", port.id))
        await tenant.wait_until_finished(freed)

    assert now == {"outside"}
    assert kept["fixed_ip_address"].startswith("198.18.")
    assert refused.status_code in (400, 409)
    assert given["floating_ip_address"].startswith("198.19.")


async def test_a_change_of_a_network_is_taken_over(starts: Starts) -> None:
    async with starts.with_changes() as running, new_tenant(running) as tenant:
        (public,) = (await tenant.api.get(f"/cloud/v1/availablenetworks/{tenant.place_path}")).json()["results"]

    async with restart(starts, tenant, ("mtu = 1500", "mtu = 9000")) as tenant:
        (changed,) = (await tenant.api.get(f"/cloud/v1/availablenetworks/{tenant.place_path}")).json()["results"]

    assert (public["mtu"], changed["mtu"], changed["id"]) == (1500, 9000, public["id"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([("198.18.", "198.19.")], "is in use: it has to stay an address of 198.19."),
        ([('name = "pub_net_v4"', 'name = "renamed"')], "It overlaps with pub_net_v4"),
    ],
)
async def test_a_start_that_would_take_addresses_from_tenants_is_refused(
    starts: Starts, changes: list[tuple[str, str]], message: str
) -> None:
    async with starts.with_changes() as running, new_tenant(running) as tenant:
        await a_port(tenant)

    with pytest.raises(Invalid, match=message):
        async with starts.with_changes(*changes):
            pass

    async with restart(starts, tenant) as tenant:
        assert (await tenant.api.get(tenant.path("reserved_fixed_ips"))).json()["count"] == 1


async def test_a_range_of_which_nothing_is_in_use_may_change(starts: Starts) -> None:
    async with starts.with_changes():
        pass

    async with starts.with_changes(("198.18.", "198.19.")) as running, new_tenant(running) as tenant:
        await tenant.wait_until_finished(await tenant.api.post(tenant.path("floatingips"), json={}))
        (floating,) = (await tenant.api.get(tenant.path("floatingips"))).json()["results"]

    assert floating["floating_ip_address"].startswith("198.19.")
    assert floating["region_id"] == REGION
