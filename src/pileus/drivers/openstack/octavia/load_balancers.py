"""Load balancers, known in Octavia by their names, with the ports that Pileus has chosen."""

import time
from collections.abc import Iterable, Iterator

from pileus.domain.load_balancers.parts import ProvisioningStatus
from pileus.drivers.openstack.cloud import NOT_IMPLEMENTED, Json, OpenstackCloud, OpenstackError
from pileus.drivers.openstack.named_resources import NamedKind, NamedResources, age_of
from pileus.drivers.openstack.names import PREFIX
from pileus.drivers.openstack.octavia.changes import BALANCERS, SERVICE, OctaviaChanges, is_leaving
from pileus.drivers.openstack.octavia.flavors import FLAVOR, OctaviaFlavors, flavor_tags
from pileus.drivers.openstack.octavia.providers import OVN, check_is_offered
from pileus.drivers.openstack.octavia.trees import OctaviaParts, References
from pileus.drivers.openstack.octavia.vips import VipPorts, port_fields, provider_noted_on
from pileus.drivers.openstack.waits import Waits
from pileus.drivers.protocols.errors import DriverError, DriverUnreachable, NotYetDone
from pileus.drivers.protocols.load_balancers import LoadBalancerSpec

GENERATION = f"{PREFIX}generation-"
"""What begins the tag with the number of the machines that a load balancer has had last."""

KIND = NamedKind(SERVICE, BALANCERS, "loadbalancer")
SINCE = "-since-"
LONGEST_FAILOVER = 86400
"""Seconds for which tasks wait. Another failover to the same number, of a later task, is another one."""


class OctaviaLoadBalancers:
    """Creates, changes and deletes load balancers."""

    def __init__(self, cloud: OpenstackCloud, waits: Waits, vips: VipPorts, *, provider: str) -> None:
        self._cloud, self._waits, self._vips, self._provider = cloud, waits, vips, provider
        self._resources = NamedResources(cloud, KIND, self._delete)
        self._flavors = OctaviaFlavors(cloud)

    async def ensure_load_balancer(self, spec: LoadBalancerSpec) -> None:
        """Create or update a load balancer with all of its parts. Raises DriverError."""
        balancer = await self._find_only(spec.id)
        check_is_offered(spec, balancer["provider"] if balancer else await self._find_next_provider(spec))
        balancer, tags = await self._ensure_usable(spec, balancer)
        changes = OctaviaChanges(self._cloud, self._waits, balancer["id"])
        await changes.wait_until_active()
        # Only now is the provider of a new load balancer known, if the settings do not name it.
        check_is_offered(spec, balancer["provider"])
        await self._ensure_own_fields(spec, balancer, tags, changes)
        references = References(
            provider=balancer["provider"], subnet_ids=await self._vips.list_subnet_ids(spec.members)
        )
        await OctaviaParts(self._cloud, changes, spec, references).ensure()
        await self._check_parts(balancer)

    async def ensure_no_load_balancer(self, load_balancer_id: str) -> None:
        """Delete a load balancer, its parts and its port, and all of its name that lost answers have left."""
        for balancer in await self._resources.find_all(load_balancer_id):
            await self._delete(balancer)
        await self._vips.delete(load_balancer_id)

    async def _find_only(self, load_balancer_id: str) -> Json | None:
        """Return a load balancer, or None. Others of its name are gone then, and it is not being deleted."""
        staying: list[Json] = []
        for balancer in sorted(await self._resources.find_all(load_balancer_id), key=age_of):
            if staying:
                await self._delete(balancer)
            elif is_leaving(balancer):
                await self._delete_for_another(balancer)
            else:
                staying.append(balancer)
        return next(iter(staying), None)

    async def _find_next_provider(self, spec: LoadBalancerSpec) -> str:
        """Return the provider of a load balancer that does not exist; empty if the cloud chooses."""
        return self._provider and (await self._vips.find_provider(spec) or self._provider)

    async def _ensure_usable(self, spec: LoadBalancerSpec, balancer: Json | None) -> tuple[Json, list[str]]:
        """Return a load balancer with the right flavor that accepts changes, and the tags that it is to have.

        It is created or repaired.
        """
        if balancer is not None:
            used_id = balancer["flavor_id"]
            flavor_id = await self._flavors.find_id(spec.flavor_name, balancer["provider"], used_id)
            has_other_flavor = await self._flavors.is_other(spec.flavor_name, flavor_id, balancer)
            if not has_other_flavor and await self._repair(balancer):
                return balancer, [_generation_tag(spec), *flavor_tags(spec.flavor_name, flavor_id, used_id)]
            # Octavia never changes a flavor, and some providers repair nothing.
            await self._delete_for_another(balancer)
        created = await self._create(spec)
        return created, created["tags"]

    async def _create(self, spec: LoadBalancerSpec) -> Json:
        """Create a load balancer, with the provider that it had if it is created again."""
        port = await self._vips.ensure(spec)
        provider = provider_noted_on(port) or self._provider
        check_is_offered(spec, provider)
        flavor_id = await self._flavors.find_id(spec.flavor_name, provider)
        tags = [_generation_tag(spec), *flavor_tags(spec.flavor_name, flavor_id, flavor_id)]
        order: Json = {"admin_state_up": spec.admin_state_up, "tags": tags, **port_fields(port, spec)}
        if provider:
            order["provider"] = provider
        if flavor_id:
            order["flavor_id"] = flavor_id
        return (await self._resources.create(spec.id, order)).item

    async def _delete_for_another(self, balancer: Json) -> None:
        """Delete a load balancer that another one replaces. The port notes the provider that this one will have."""
        await self._vips.note_provider(balancer["vip_port_id"], balancer["provider"])
        await self._delete(balancer)

    async def _repair(self, balancer: Json) -> bool:
        """Replace the machines of a load balancer that has failed. Returns whether it accepts changes."""
        changes = OctaviaChanges(self._cloud, self._waits, balancer["id"])
        if (await changes.wait_until_at_rest())["provisioning_status"] == ProvisioningStatus.ACTIVE:
            return True
        if not await _starts_failover(changes):
            return False
        await changes.wait_until_active()
        return True

    async def _ensure_own_fields(
        self, spec: LoadBalancerSpec, balancer: Json, tags: list[str], changes: OctaviaChanges
    ) -> None:
        """Replace the machines if others are due, and set what belongs to no part. Tags of others stay."""
        if _generation_tag(spec) not in balancer["tags"] and balancer["provider"] != OVN:
            await self._replace_machines(spec, balancer, changes)
        others = [tag for tag in balancer["tags"] if not tag.startswith((GENERATION, FLAVOR))]
        if {*others, *tags} != set(balancer["tags"]) or balancer["admin_state_up"] != spec.admin_state_up:
            fields = {"admin_state_up": spec.admin_state_up, "tags": [*others, *tags]}
            await changes.update(f"/loadbalancers/{balancer['id']}", "loadbalancer", fields)

    async def _replace_machines(self, spec: LoadBalancerSpec, balancer: Json, changes: OctaviaChanges) -> None:
        """Let Octavia replace the machines, once for a generation.

        While it does, the load balancer takes no tag. So the port gets one if that takes longer, and the next try does
        not begin anew. A failover that fails is repeated: the load balancer is then in ERROR.
        """
        tag = _generation_tag(spec)
        if has_begun(tag, await self._vips.list_tags(spec), time.time()):
            return
        if not await _starts_failover(changes):
            raise DriverError(f"The provider {balancer['provider']} cannot replace machines", retryable=False)
        try:
            await changes.wait_until_active()
        except (NotYetDone, DriverUnreachable):
            await self._vips.set_tag(balancer["vip_port_id"], begun_tag(tag, time.time()))
            raise

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


def begun_tag(tag: str, now: float) -> str:
    """Return the tag of a port that says since when Octavia replaces the machines."""
    return f"{tag}{SINCE}{int(now)}"


def has_begun(tag: str, port_tags: Iterable[str], now: float) -> bool:
    """Return whether Octavia has been told to replace the machines, by a task that can still be under way."""
    begun = f"{tag}{SINCE}"
    times = [port_tag.removeprefix(begun) for port_tag in port_tags if port_tag.startswith(begun)]
    return any(text.isdecimal() and int(text) > now - LONGEST_FAILOVER for text in times)


async def _starts_failover(changes: OctaviaChanges) -> bool:
    """Let Octavia replace the machines of a load balancer. Returns whether its provider can."""
    try:
        await changes.start_failover()
    except OpenstackError as error:
        if error.status_code != NOT_IMPLEMENTED:
            raise
        return False
    return True


def _generation_tag(spec: LoadBalancerSpec) -> str:
    return f"{GENERATION}{spec.machine_generation}"
