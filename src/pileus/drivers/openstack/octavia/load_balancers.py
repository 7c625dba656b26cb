"""Load balancers, known in Octavia by their names, with the ports that Pileus has chosen."""

from collections.abc import Iterator

from pileus.domain.load_balancers.parts import ProvisioningStatus
from pileus.drivers.openstack.cloud import NOT_IMPLEMENTED, Json, OpenstackCloud, OpenstackError
from pileus.drivers.openstack.names import PREFIX, engine_name
from pileus.drivers.openstack.octavia.changes import BALANCERS, SERVICE, OctaviaChanges
from pileus.drivers.openstack.octavia.flavors import OctaviaFlavors
from pileus.drivers.openstack.octavia.providers import OVN, check_is_offered
from pileus.drivers.openstack.octavia.trees import OctaviaParts, References
from pileus.drivers.openstack.octavia.vips import VipPorts
from pileus.drivers.openstack.waits import Waits
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.load_balancers import LoadBalancerSpec

GENERATION = f"{PREFIX}generation-"
"""What begins the tag with the number of the machines that a load balancer has had last."""


class OctaviaLoadBalancers:
    """Creates, changes and deletes load balancers."""

    def __init__(self, cloud: OpenstackCloud, waits: Waits, vips: VipPorts, *, provider: str) -> None:
        self._cloud, self._waits, self._vips, self._provider = cloud, waits, vips, provider
        self._flavors = OctaviaFlavors(cloud, provider)

    async def find(self, load_balancer_id: str) -> Json | None:
        """Return a load balancer, or None."""
        balancers = await self._cloud.get(SERVICE, BALANCERS, name=engine_name(load_balancer_id))
        return next(iter(balancers["loadbalancers"]), None)

    async def ensure_load_balancer(self, spec: LoadBalancerSpec) -> None:
        """Create or update a load balancer with all of its parts. Raises DriverError."""
        balancer = await self.find(spec.id)
        check_is_offered(spec, balancer["provider"] if balancer else self._provider)
        balancer = await self._ensure_usable(spec, balancer)
        changes = OctaviaChanges(self._cloud, self._waits, balancer["id"])
        await changes.wait_until_active()
        # Only now is the provider of a new load balancer known, if the settings do not name it.
        check_is_offered(spec, balancer["provider"])
        await self._ensure_own_fields(spec, balancer, changes)
        references = References(
            provider=balancer["provider"], subnet_ids=await self._vips.list_subnet_ids(spec.members)
        )
        await OctaviaParts(self._cloud, changes, spec, references).ensure()
        await self._check_parts(balancer)

    async def ensure_no_load_balancer(self, load_balancer_id: str) -> None:
        """Delete a load balancer, its parts and its port."""
        if (balancer := await self.find(load_balancer_id)) is not None:
            await self._delete(balancer)
        await self._vips.delete(load_balancer_id)

    async def _ensure_usable(self, spec: LoadBalancerSpec, balancer: Json | None) -> Json:
        """Return a load balancer with the right flavor that accepts changes. It is created or repaired."""
        flavor_id = await self._flavors.find_id(spec.flavor_name)
        if balancer is not None:
            has_other_flavor = flavor_id not in {None, balancer["flavor_id"]}
            if not has_other_flavor and await self._repair(balancer):
                return balancer
            # Octavia never changes a flavor, and some providers repair nothing.
            await self._delete(balancer)
        return await self._create(spec, flavor_id)

    async def _create(self, spec: LoadBalancerSpec, flavor_id: str | None) -> Json:
        order: Json = {
            "name": engine_name(spec.id),
            "admin_state_up": spec.admin_state_up,
            "tags": [_generation_tag(spec)],
            **await self._vips.ensure(spec),
        }
        if self._provider:
            order["provider"] = self._provider
        if flavor_id:
            order["flavor_id"] = flavor_id
        balancer: Json = (await self._cloud.post(SERVICE, BALANCERS, {"loadbalancer": order}))["loadbalancer"]
        return balancer

    async def _repair(self, balancer: Json) -> bool:
        """Replace the machines of a load balancer that has failed. Returns whether it accepts changes."""
        changes = OctaviaChanges(self._cloud, self._waits, balancer["id"])
        if (await changes.wait_until_at_rest())["provisioning_status"] == ProvisioningStatus.ACTIVE:
            return True
        return await _fail_over(changes)

    async def _ensure_own_fields(self, spec: LoadBalancerSpec, balancer: Json, changes: OctaviaChanges) -> None:
        """Replace the machines if others are due, and set what belongs to no part."""
        tag = _generation_tag(spec)
        if tag not in balancer["tags"] and balancer["provider"] != OVN and not await _fail_over(changes):
            raise DriverError(f"The provider {balancer['provider']} cannot replace machines", retryable=False)
        if tag not in balancer["tags"] or balancer["admin_state_up"] != spec.admin_state_up:
            fields = {"admin_state_up": spec.admin_state_up, "tags": [tag]}
            await changes.update(f"/loadbalancers/{balancer['id']}", "loadbalancer", fields)

    async def _check_parts(self, balancer: Json) -> None:
        """Raise DriverError if a part has failed, although the load balancer is active again."""
        tree = (await self._cloud.get(SERVICE, f"{BALANCERS}/{balancer['id']}/status"))["statuses"]
        if names := sorted(set(failed_names(tree["loadbalancer"]))):
            raise DriverError(f"Octavia has failed to change {', '.join(names)}", retryable=True)

    async def _delete(self, balancer: Json) -> None:
        changes = OctaviaChanges(self._cloud, self._waits, balancer["id"])
        await changes.delete_everything()


def failed_names(tree: Json) -> Iterator[str]:
    """Yield the names of what has failed in a tree of statuses."""
    if tree.get("provisioning_status") == ProvisioningStatus.ERROR:
        yield str(tree.get("name") or tree["id"])
    for value in tree.values():
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, dict):
                yield from failed_names(part)


async def _fail_over(changes: OctaviaChanges) -> bool:
    """Replace the machines of a load balancer. Returns whether its provider can."""
    try:
        await changes.fail_over()
    except OpenstackError as error:
        if error.status_code != NOT_IMPLEMENTED:
            raise
        return False
    return True


def _generation_tag(spec: LoadBalancerSpec) -> str:
    return f"{GENERATION}{spec.machine_generation}"
