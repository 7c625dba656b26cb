"""Octavia's flavors of the catalogue's names."""

from pileus.drivers.openstack.cloud import OpenstackCloud
from pileus.drivers.openstack.octavia.changes import ROOT, SERVICE


async def list_flavor_names(cloud: OpenstackCloud) -> set[str]:
    """Return the names of all enabled flavors. Raises DriverError."""
    flavors = (await cloud.get(SERVICE, f"{ROOT}/flavors"))["flavors"]
    return {flavor["name"] for flavor in flavors if flavor["enabled"]}


class OctaviaFlavors:
    """Finds flavors. Where there is none of a name, the provider chooses the size of load balancers."""

    def __init__(self, cloud: OpenstackCloud, provider: str) -> None:
        self._cloud, self._provider = cloud, provider

    async def find_id(self, name: str) -> str | None:
        """Return the id of an enabled flavor that the provider of the settings can use, or None."""
        flavors = (await self._cloud.get(SERVICE, f"{ROOT}/flavors", name=name))["flavors"]
        for flavor in flavors:
            if flavor["enabled"] and await self._is_usable(flavor["flavor_profile_id"]):
                return str(flavor["id"])
        return None

    async def _is_usable(self, profile_id: str) -> bool:
        if not self._provider:
            return True
        profile = (await self._cloud.get(SERVICE, f"{ROOT}/flavorprofiles/{profile_id}"))["flavorprofile"]
        return bool(profile["provider_name"] == self._provider)
