"""Images and networks of the catalogue, in a cloud where others have some of the same names."""

from typing import Any

import pytest

from pileus.domain.catalogue import derive_external_network_id, derive_public_image_id, parse_catalogue
from pileus.drivers.openstack.catalogue_names import CatalogueNames
from pileus.drivers.protocols.errors import DriverError
from tests.regions.clouds import BUNDLED

Json = dict[str, Any]
CATALOGUE = parse_catalogue(BUNDLED)
IMAGE, NETWORK = CATALOGUE.images[0].name, CATALOGUE.networks[0].name
REGION_ID = CATALOGUE.regions[0].id
OWN = "own project"


class Cloud:
    """Lists images, one on each page, and networks, as an administrator sees them."""

    def __init__(self, *items: Json) -> None:
        self.items = [{"id": str(number)} | item for number, item in enumerate(items)]

    async def get(self, _service: str, path: str, *, name: str, marker: str = "", **_params: str) -> Json:
        """Return the items of a name."""
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
