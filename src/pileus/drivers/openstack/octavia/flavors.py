"""Octavia's flavors of the catalogue's names."""

from pileus.drivers.openstack.cloud import Json, OpenstackCloud
from pileus.drivers.openstack.names import PREFIX
from pileus.drivers.openstack.octavia.changes import ROOT, SERVICE

FLAVOR = f"{PREFIX}flavor-"
"""What begins the tag with the ordered flavor of a load balancer, where Octavia's flavor does not have that name."""


async def list_flavor_names(cloud: OpenstackCloud) -> set[str]:
    """Return the names of all enabled flavors. Raises DriverError."""
    flavors = (await cloud.get(SERVICE, f"{ROOT}/flavors"))["flavors"]
    return {flavor["name"] for flavor in flavors if flavor["enabled"]}


def flavor_tags(name: str, flavor_id: str | None, used_id: str | None) -> list[str]:
    """Return the tag of a load balancer with the ordered flavor, unless it uses the flavor that Octavia has for it."""
    return [] if flavor_id is not None and flavor_id == used_id else [f"{FLAVOR}{name}"]


class OctaviaFlavors:
    """Finds flavors. Where there is none of a name, the provider chooses the size of load balancers."""

    def __init__(self, cloud: OpenstackCloud) -> None:
        self._cloud = cloud

    async def find_id(self, name: str, provider: str, used_id: str | None = None) -> str | None:
        """Return the id of an enabled flavor that a provider can use, or None. It can if it uses it already.

        An empty name of a provider stands for an unknown one.
        """
        flavors = (await self._cloud.get(SERVICE, f"{ROOT}/flavors", name=name))["flavors"]
        for flavor in flavors:
            if not flavor["enabled"]:
                continue
            if flavor["id"] == used_id or await self._is_usable(flavor["flavor_profile_id"], provider):
                return str(flavor["id"])
        return None

    async def is_other(self, name: str, flavor_id: str | None, balancer: Json) -> bool:
        """Return whether a load balancer was ordered with another flavor than this one, which Octavia has.

        What was ordered counts, not what its name meant then and means now: operators add flavors later.
        """
        if flavor_id in {None, balancer["flavor_id"]}:
            return False
        return await self._find_ordered_name(balancer) not in {None, name}

    async def _find_ordered_name(self, balancer: Json) -> str | None:
        tag = next((tag for tag in balancer["tags"] if tag.startswith(FLAVOR)), None)
        if tag is not None:
            return str(tag.removeprefix(FLAVOR))
        if balancer["flavor_id"] is None:
            return None
        answer = await self._cloud.find(SERVICE, f"{ROOT}/flavors/{balancer['flavor_id']}")
        return str(answer["flavor"]["name"]) if answer else None

    async def _is_usable(self, profile_id: str, provider: str) -> bool:
        if not provider:
            return True
        profile = (await self._cloud.get(SERVICE, f"{ROOT}/flavorprofiles/{profile_id}"))["flavorprofile"]
        return bool(profile["provider_name"] == provider)
