"""Parts of a load balancer in Octavia: found by their names, and compared with what they should be."""

from collections.abc import Iterable, Mapping

from pileus.domain.load_balancers.parts import ProvisioningStatus
from pileus.drivers.openstack.cloud import Json, OpenstackCloud
from pileus.drivers.openstack.named_resources import age_of
from pileus.drivers.openstack.names import PREFIX
from pileus.drivers.openstack.octavia.changes import ROOT, SERVICE, OctaviaChanges
from pileus.drivers.openstack.octavia.orders import DEFAULTS, FIXED, EngineIds
from pileus.drivers.protocols.errors import DriverError

Parts = dict[str, Json]
"""Resources of Octavia by their names."""


class PartLists:
    """Reads and changes the parts of one load balancer."""

    def __init__(self, cloud: OpenstackCloud, changes: OctaviaChanges) -> None:
        self._cloud, self._changes = cloud, changes

    async def read(self, path: str, **params: str) -> Parts:
        """Return the parts of a list; its path ends with the kind.

        The oldest of a name has it. Others, which lost answers have left, have names that no order has.
        """
        parts: Parts = {}
        for item in sorted(await self._list(path, params), key=age_of):
            name = name_of(item)
            parts[f"{name} {item['id']}" if name in parts else name] = item
        return parts

    async def check(self, path: str, **params: str) -> None:
        """Raise DriverError if Octavia has failed to change a part of a list, whatever it says of the load balancer."""
        failed = ProvisioningStatus.ERROR
        parts = await self._list(path, params | {"provisioning_status": failed.value})
        if names := sorted(name_of(part) for part in parts if part["provisioning_status"] == failed):
            raise DriverError(f"Octavia has failed to change {', '.join(names)}", retryable=True)

    async def delete_others(self, path: str, existing: Parts, kept: Iterable[Json]) -> None:
        """Delete the parts that are not to be, or that cannot become what they should be."""
        orders = {name_of(order): order for order in kept}
        for name, part in list(existing.items()):
            if not can_become(part, orders.get(name)):
                await self._changes.delete(f"{path}/{part['id']}")
                del existing[name]

    async def ensure(self, path: str, key: str, existing: Parts, orders: Iterable[Json]) -> None:
        """Create or change parts; `existing` then has all of them."""
        for order in orders:
            await self.ensure_one(path, key, existing, order)

    async def ensure_one(self, path: str, key: str, existing: Parts, order: Json) -> None:
        """Create or change a part."""
        name = name_of(order)
        part = existing.get(name)
        if part is None:
            existing[name] = await self._changes.create(path, key, order)
        elif changes := part_changes(part, order):
            await self._changes.update(f"{path}/{part['id']}", key, changes)

    async def _list(self, path: str, params: Mapping[str, str]) -> list[Json]:
        items: list[Json] = (await self._cloud.get(SERVICE, f"{ROOT}{path}", **params))[path.rpartition("/")[2]]
        return items


def name_of(part: Json) -> str:
    """Return the name of a part. Rules of L7 policies have none, but a tag."""
    return str(part.get("name") or next(iter(part.get("tags") or []), ""))


def engine_ids(parts: Parts) -> EngineIds:
    """Return the ids in Octavia by the ids of Pileus."""
    return {name.removeprefix(PREFIX): str(part["id"]) for name, part in parts.items()}


def can_become(part: Json | None, order: Json | None) -> bool:
    """Return whether a part exists that a change can make what it should be."""
    if part is None or order is None:
        return False
    # A part names what it belongs to in lists of its own.
    return all(part[name] == order[name] for name in FIXED if name in order and name in part)


def part_changes(part: Json, order: Json) -> Json:
    """Return the fields to change. A part whose last change has failed gets all of them again."""
    settable = {name: value for name, value in order.items() if name not in FIXED}
    if part["provisioning_status"] == ProvisioningStatus.ERROR:
        return settable
    return {
        name: value for name, value in settable.items() if _comparable(name, part.get(name)) != _comparable(name, value)
    }


def _comparable(name: str, value: object) -> object:
    """Return what a value means: lists of ranges have no order, and nothing may be an empty list or a default."""
    if value is None:
        return DEFAULTS.get(name)
    if isinstance(value, list):
        return sorted(value, key=str) or None
    return value or None if isinstance(value, dict) else value
