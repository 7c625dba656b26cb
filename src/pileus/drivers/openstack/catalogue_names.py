"""The catalogue's names in OpenStack: public images, external networks, flavors."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from pileus.domain.catalogue import Catalogue, derive_external_network_id, derive_public_image_id
from pileus.drivers.openstack.cloud import BAD_REQUEST, NOT_FOUND, Json, OpenstackCloud, OpenstackError
from pileus.drivers.openstack.cloud_lists import CloudList, list_items
from pileus.drivers.openstack.named_resources import age_of
from pileus.drivers.openstack.names import engine_name
from pileus.drivers.protocols.errors import DriverError

IMAGES = CloudList("image", "/images", "images")
NETWORKS = CloudList("network", "/networks", "networks")
FLAVORS = CloudList("compute", "/flavors", "flavors")
EXTERNAL = "router:external"
T = TypeVar("T")


class CatalogueNames:
    """Finds what the operator provides. Its name in OpenStack is that in the catalogue.

    An administrator's lists have the images and networks of all projects, and every user can give them any name.
    """

    def __init__(self, cloud: OpenstackCloud, catalogue: Catalogue) -> None:
        regions = [region.id for region in catalogue.regions]
        self._cloud, self._first_network = cloud, catalogue.networks[0].name
        self._images = {
            derive_public_image_id(id_, image.name): image.name for id_ in regions for image in catalogue.images
        }
        self._networks = {
            derive_external_network_id(id_, item.name): item.name for id_ in regions for item in catalogue.networks
        }
        self._flavor_ids: dict[str, str] = {}

    async def require_image_id(self, image_id: str) -> str:
        """Return the id of an image in OpenStack. Raises DriverError if there is none."""
        if (name := self._images.get(image_id)) is not None:
            return await self.require_image_id_of_name(name)
        own_id, name = await self._cloud.find_project_id(), engine_name(image_id)
        return _oldest_id([image for image in await self._list_images(name) if image["owner"] == own_id], "image", name)

    async def require_image_id_of_name(self, name: str) -> str:
        """Return the id of an image by its name in OpenStack: a public one, or one of the project of Pileus.

        Any user can share images with others, also with the whole community. Only administrators make them public.
        """
        own_id = await self._cloud.find_project_id()
        images = await self._list_images(name)
        usable = [image for image in images if image["visibility"] == "public" or image["owner"] == own_id]
        return _only_id(usable, "image", name, "public or in the project of Pileus")

    async def require_network_id(self, network_id: str) -> str:
        """Return the id of a network in OpenStack. Raises DriverError if there is none."""
        if (name := self._networks.get(network_id)) is not None:
            return await self._require_external_network_id(name)
        own_id, name = await self._cloud.find_project_id(), engine_name(network_id)
        networks = await list_items(self._cloud, NETWORKS, {"name": name})
        return _oldest_id([network for network in networks if network["project_id"] == own_id], "network", name)

    async def require_floating_network_id(self) -> str:
        """Return the id of the network that provides floating IPs."""
        return await self._require_external_network_id(self._first_network)

    async def use_flavor(self, name: str, send: Callable[[str], Awaitable[T]]) -> T:
        """Call `send` with the id of a flavor in OpenStack. Raises DriverError, as it does, or if there is none.

        If OpenStack does not know the id any more, the flavor may have been created again: it is looked up once more.
        """
        flavor_id = await self.require_flavor_id(name)
        try:
            return await send(flavor_id)
        except OpenstackError as error:
            if error.status_code not in {BAD_REQUEST, NOT_FOUND} or flavor_id not in str(error):
                raise
            self._flavor_ids = {}
            if (new_id := await self.require_flavor_id(name)) == flavor_id:
                raise
        return await send(new_id)

    async def require_flavor_id(self, name: str) -> str:
        """Return the id that a flavor in OpenStack had when it was looked up. Raises DriverError if there was none."""
        if name not in self._flavor_ids:
            flavors = await list_items(self._cloud, FLAVORS, {})
            self._flavor_ids = {flavor["name"]: flavor["id"] for flavor in flavors}
        if name not in self._flavor_ids:
            raise DriverError(f"OpenStack has no flavor {name}", retryable=False)
        return self._flavor_ids[name]

    async def _list_images(self, name: str) -> list[Json]:
        return await list_items(self._cloud, IMAGES, {"name": name, "status": "active"})

    async def _require_external_network_id(self, name: str) -> str:
        networks = await list_items(self._cloud, NETWORKS, {"name": name})
        return _only_id([network for network in networks if network[EXTERNAL]], "network", name, "external")


def _oldest_id(items: list[Json], noun: str, name: str) -> str:
    """Return the id of what Pileus has created, which may have done so twice."""
    if not items:
        raise DriverError(f"OpenStack has no {noun} {name}", retryable=False)
    return str(min(items, key=age_of)["id"])


def _only_id(items: list[Json], noun: str, name: str, condition: str) -> str:
    """Return the id of what the operator has created: nobody else knows which of several is the right one."""
    if not items:
        raise DriverError(f"OpenStack has no {noun} {name} that is {condition}", retryable=False)
    if len(items) > 1:
        problem = f"OpenStack has {len(items)} {noun}s {name} that are {condition}"
        raise DriverError(f"{problem}: the operator has to rename or delete all but one", retryable=False)
    return str(items[0]["id"])
