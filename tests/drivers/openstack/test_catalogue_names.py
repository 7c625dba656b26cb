"""Images, networks and flavors of the catalogue, in a cloud where others have some of the same names."""

from typing import Any, cast

import pytest

from pileus.domain.catalogue import derive_external_network_id, derive_public_image_id, parse_catalogue
from pileus.drivers.openstack.catalogue_names import CatalogueNames
from pileus.drivers.openstack.cloud import BAD_REQUEST, CONFLICT, NOT_FOUND, OpenstackCloud, OpenstackError
from pileus.drivers.openstack.offers import list_offer
from pileus.drivers.protocols.errors import DriverError
from tests.regions.clouds import BUNDLED

Json = dict[str, Any]
CATALOGUE = parse_catalogue(BUNDLED)
IMAGE, NETWORK = CATALOGUE.images[0].name, CATALOGUE.networks[0].name
REGION_ID = CATALOGUE.regions[0].id
OWN = "own project"


class Cloud:
    """Lists images, one on each page, networks and flavors, as an administrator sees them."""

    def __init__(self, *items: Json) -> None:
        self.items = [{"id": str(number)} | item for number, item in enumerate(items)]

    async def get(self, _service: str, path: str, *, name: str = "", marker: str = "", **_params: str) -> Json:
        """Return the items of a name, or all flavors."""
        if path == "/flavors":
            return {"flavors": self.items}
        items = [item for item in self.items if item["name"] == name]
        if path == "/networks":
            return {"networks": items}
        first = [item["id"] for item in items].index(marker) + 1 if marker else 0
        page = {"images": items[first : first + 1]}
        is_last = first + 1 >= len(items)
        return page if is_last else page | {"next": f"/v2/images?name={name}&marker={items[first]['id']}"}

    async def find_project_id(self) -> str:
        """Return the project of Pileus."""
        return OWN


def image(visibility: str, owner: str = "another project", *, name: str = IMAGE, created_at: str = "1") -> Json:
    return {"name": name, "visibility": visibility, "owner": owner, "created_at": created_at}


def network(project_id: str, *, name: str = NETWORK, is_external: bool = True) -> Json:
    return {"name": name, "project_id": project_id, "router:external": is_external}


def names_in(*items: Json) -> CatalogueNames:
    cloud: Any = Cloud(*items)
    return CatalogueNames(cloud, CATALOGUE)


OTHERS = [image("private"), image("shared"), image("community")]


@pytest.mark.parametrize("right", [image("public"), image("private", OWN)])
async def test_an_image_of_the_catalogue_is_public_or_of_the_own_project(right: Json) -> None:
    names = names_in(*OTHERS, right)

    assert await names.require_image_id(derive_public_image_id(REGION_ID, IMAGE)) == str(len(OTHERS))
    assert await names.require_image_id_of_name(IMAGE) == str(len(OTHERS))


async def test_an_image_of_others_is_none_of_the_catalogue() -> None:
    with pytest.raises(DriverError, match=f"no image {IMAGE} that is public or in the project of Pileus"):
        await names_in(*OTHERS).require_image_id_of_name(IMAGE)


async def test_one_of_several_images_of_the_operator_is_not_chosen() -> None:
    with pytest.raises(DriverError, match=r"has 2 images .* rename or delete all but one") as refused:
        await names_in(image("public"), image("public")).require_image_id_of_name(IMAGE)

    assert not refused.value.retryable


async def test_an_image_of_a_tenant_is_the_oldest_of_the_own_project() -> None:
    name = "pileus-web"
    names = names_in(
        image("public", name=name),
        image("private", OWN, name=name, created_at="3"),
        image("private", OWN, name=name, created_at="2"),
    )

    assert await names.require_image_id("web") == "2"
    with pytest.raises(DriverError, match="no image pileus-db"):
        await names.require_image_id("db")


async def test_a_network_of_the_catalogue_is_external() -> None:
    names = names_in(network(OWN, is_external=False), network("another project"))

    assert await names.require_network_id(derive_external_network_id(REGION_ID, NETWORK)) == "1"
    assert await names.require_floating_network_id() == "1"


@pytest.mark.parametrize(("count", "problem"), [(0, "no network"), (2, "2 networks")])
async def test_an_external_network_is_the_only_one_of_its_name(count: int, problem: str) -> None:
    with pytest.raises(DriverError, match=f"OpenStack has {problem} {NETWORK} "):
        await names_in(*[network(OWN)] * count).require_floating_network_id()


async def test_a_network_of_a_tenant_is_in_the_own_project() -> None:
    name = "pileus-web"
    names = names_in(network("another project", name=name), network(OWN, name=name, is_external=False))

    assert await names.require_network_id("web") == "1"


class Flavors:
    """Refuses all flavors but the one with the last id, by a message of OpenStack."""

    def __init__(self, *, status_code: int = BAD_REQUEST, message: str = "Flavor {} could not be found.") -> None:
        self.cloud = Cloud({"name": "small", "id": "old"})
        self.names = CatalogueNames(cast("OpenstackCloud", self.cloud), CATALOGUE)
        self.used: list[str] = []
        self._status_code, self._message = status_code, message

    async def use(self) -> str:
        """Use the flavor `small`."""
        return await self.names.use_flavor("small", self._send)

    def create_again(self) -> None:
        """Delete the flavor, and create it again."""
        self.cloud.items = [{"name": "small", "id": "new"}]

    async def _send(self, flavor_id: str) -> str:
        self.used.append(flavor_id)
        if flavor_id != self.cloud.items[0]["id"]:
            raise OpenstackError(f"OpenStack: {self._message.format(flavor_id)}", self._status_code)
        return flavor_id


@pytest.mark.parametrize("status_code", [BAD_REQUEST, NOT_FOUND])
async def test_a_flavor_that_was_created_again_is_looked_up_again(status_code: int) -> None:
    flavors = Flavors(status_code=status_code)
    await flavors.use()
    flavors.create_again()

    assert [await flavors.use(), await flavors.use()] == ["new", "new"]
    assert flavors.used == ["old", "old", "new", "new"]


@pytest.mark.parametrize(
    ("status_code", "message"), [(CONFLICT, "Flavor {} could not be found."), (BAD_REQUEST, "Image i is not active")]
)
async def test_another_refusal_is_not_looked_into(status_code: int, message: str) -> None:
    flavors = Flavors(status_code=status_code, message=message)
    await flavors.use()
    flavors.create_again()

    with pytest.raises(OpenstackError):
        await flavors.use()
    assert flavors.used == ["old", "old"]


async def test_a_deleted_flavor_is_missing() -> None:
    flavors = Flavors()
    await flavors.use()
    flavors.cloud.items = [{"name": "large", "id": "l"}]

    with pytest.raises(DriverError, match="OpenStack has no flavor small"):
        await flavors.use()


class PagedCloud:
    """Has two public images, on two pages, and two volume types, as Glance and Cinder list them."""

    async def get(self, _service: str, path: str, **params: str) -> Json:
        """Return a page."""
        key, links = {"/images": ("images", "next"), "/types": ("volume_types", "volume_type_links")}.get(
            path, (path.split("/")[1], "")
        )
        if not links:
            return {key: []}
        if params.get("marker"):
            return {key: [{"name": "second"}]}
        address = f"http://cloud{path}?marker=first"
        following = address if links == "next" else [{"rel": "next", "href": address}]
        return {key: [{"name": "first"}], links: following}


async def test_an_offer_has_all_pages_of_the_cloud() -> None:
    cloud: Any = PagedCloud()

    offer = await list_offer(cloud)

    assert (list(offer.images), offer.volume_types) == (["first", "second"], ["first", "second"])
