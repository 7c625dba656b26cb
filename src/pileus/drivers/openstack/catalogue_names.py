"""The catalogue's names in OpenStack: public images, external networks, flavors."""

from pileus.domain.catalogue import Catalogue, derive_external_network_id, derive_public_image_id
from pileus.drivers.openstack.cloud import OpenstackCloud
from pileus.drivers.openstack.names import engine_name
from pileus.drivers.protocols.errors import DriverError


class CatalogueNames:
    """Finds what the operator provides. Its name in OpenStack is that in the catalogue."""

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
        return await self.require_image_id_of_name(self._images.get(image_id) or engine_name(image_id))

    async def require_image_id_of_name(self, name: str) -> str:
        """Return the id of an image in OpenStack by its name there. Raises DriverError if there is none."""
        images = (await self._cloud.get("image", "/images", name=name, status="active"))["images"]
        if not images:
            raise DriverError(f"OpenStack has no image {name}", retryable=False)
        return str(images[0]["id"])

    async def require_network_id(self, network_id: str) -> str:
        """Return the id of a network in OpenStack. Raises DriverError if there is none."""
        return await self._require_network_id_of_name(self._networks.get(network_id) or engine_name(network_id))

    async def require_floating_network_id(self) -> str:
        """Return the id of the network that provides floating IPs."""
        return await self._require_network_id_of_name(self._first_network)

    async def require_flavor_id(self, name: str) -> str:
        """Return the id of a flavor in OpenStack. Raises DriverError if there is none."""
        if name not in self._flavor_ids:
            flavors = (await self._cloud.get("compute", "/flavors"))["flavors"]
            self._flavor_ids = {flavor["name"]: flavor["id"] for flavor in flavors}
        if name not in self._flavor_ids:
            raise DriverError(f"OpenStack has no flavor {name}", retryable=False)
        return self._flavor_ids[name]

    async def _require_network_id_of_name(self, name: str) -> str:
        networks = (await self._cloud.get("network", "/networks", name=name))["networks"]
        if not networks:
            raise DriverError(f"OpenStack has no network {name}", retryable=False)
        return str(networks[0]["id"])
