"""Resources that OpenStack knows by a name that it does not keep unique, so that several could have the same.

Two processes can create a resource at the same time: two servers need a group that no task has created, or one server
has lost its task to another one while its request was on its way. So whoever has created one looks again: the oldest
stays, and everybody else deletes what he has created. If two are equally old, nobody can tell who has seen whom: both
delete theirs, and look again.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable

from msgspec import Struct

from pileus.drivers.openstack.cloud import CONFLICT, Json, OpenstackCloud, OpenstackError
from pileus.drivers.openstack.names import engine_name
from pileus.drivers.protocols.errors import DriverError

LEAST_PAUSE, MOST_PAUSE = 1.0, 3.0
"""Seconds until the next look after a tie: ages are whole seconds."""
MOST_TIES = 5
MOST_RIVALS = "100"
"""Resources that are looked at after a creation."""


class NamedKind(Struct, frozen=True):
    """A kind of resources: its service, its path there, and its name in requests.

    `list_path` is the path of lists, if it is another one. `is_bare`: the name is not in requests.
    """

    service: str
    path: str
    name: str
    list_path: str = ""
    is_bare: bool = False

    def wrap(self, order: Json) -> Json:
        """Return the body of a request."""
        return order if self.is_bare else {self.name: order}

    def unwrap(self, answer: Json) -> Json:
        """Return the resource in an answer."""
        item: Json = answer if self.is_bare else answer[self.name]
        return item


class Created(Struct, frozen=True):
    """The resource that stays after a creation. `is_own`: this call has created it, so nobody else prepares it."""

    item: Json
    is_own: bool


class NamedResources:
    """Finds and creates the resources of a kind, each once.

    `discard` deletes one that another one takes the place of; without it, a request does so at once.
    """

    def __init__(
        self, cloud: OpenstackCloud, kind: NamedKind, discard: Callable[[Json], Awaitable[None]] | None = None
    ) -> None:
        self._cloud, self._kind, self._discard = cloud, kind, discard or self._delete_unless_used

    async def find(self, resource_id: str) -> Json | None:
        """Return a resource, or None: the oldest one if there are several."""
        return min(await self.find_all(resource_id), key=age_of, default=None)

    async def find_all(self, resource_id: str, **params: str) -> list[Json]:
        """Return all resources with the name of one."""
        kind, name = self._kind, engine_name(resource_id)
        answer = await self._cloud.get(kind.service, kind.list_path or kind.path, name=name, **params)
        items: list[Json] = answer[f"{kind.name}s"]
        return items

    async def create(self, resource_id: str, order: Json) -> Created:
        """Create a resource, and return the one that stays: another process may use it already. Raises DriverError."""
        for _ in range(MOST_TIES):
            try:
                own = await self._post(resource_id, order)
            except OpenstackError:
                # Another one can be the reason, such as that of a subnet with the same range.
                if (existing := await self.find(resource_id)) is None:
                    raise
                return Created(existing, is_own=False)
            if await self._stays(resource_id, own):
                return Created(own, is_own=True)
            if (existing := await self.find(resource_id)) is not None:
                is_own = existing["id"] == own["id"]
                return Created(own if is_own else existing, is_own=is_own)
        raise DriverError(f"OpenStack does not keep {self._kind.name} {resource_id}", retryable=True)

    async def delete_all(self, resource_id: str) -> None:
        """Delete a resource, and others of its name that a process has left that died."""
        for item in await self.find_all(resource_id):
            await self._delete(item)

    async def _post(self, resource_id: str, order: Json) -> Json:
        body = self._kind.wrap({"name": engine_name(resource_id)} | order)
        return self._kind.unwrap(await self._cloud.post(self._kind.service, self._kind.path, body))

    async def _stays(self, resource_id: str, own: Json) -> bool:
        """Return whether a new resource is the oldest one; if it is not, it is deleted."""
        present = await self.find_all(resource_id, limit=MOST_RIVALS)
        others = [item for item in present if item["id"] != own["id"]]
        oldest = min(map(_created_at, others), default=None)
        if oldest is None or oldest > _created_at(own):
            return True
        await self._discard(own)
        if oldest == _created_at(own):
            await asyncio.sleep(random.uniform(LEAST_PAUSE, MOST_PAUSE))  # noqa: S311  # not a secret
        return False

    async def _delete_unless_used(self, item: Json) -> None:
        try:
            await self._delete(item)
        except OpenstackError as error:
            if error.status_code != CONFLICT:
                raise

    async def _delete(self, item: Json) -> None:
        await self._cloud.delete(self._kind.service, f"{self._kind.path}/{item['id']}")


def age_of(item: Json) -> tuple[str, str]:
    """Return what sorts resources by age, the oldest first."""
    return _created_at(item), str(item["id"])


def _created_at(item: Json) -> str:
    return str(item.get("created_at") or "")
