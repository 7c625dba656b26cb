"""Adopt what others have created in a cloud.

A resource is marked in the cloud before its records are saved, and its id is derived from that in the cloud: what has a
mark and no record is found again, and its adoption goes on. What prevents an adoption is found by saving the records in
a transaction that is rolled back.
"""

from collections.abc import Awaitable, Callable, Iterator
from enum import StrEnum
from functools import partial
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from pileus.domain.context import Context
from pileus.domain.errors import Problem, Stale, Unavailable, not_found
from pileus.domain.ids import derive_id, parse_id_cell
from pileus.drivers.protocols.adoption import (
    ForeignMachine,
    ForeignNetwork,
    ForeignResource,
    ForeignResources,
    ForeignVolume,
    SupportsAdoption,
)
from pileus.drivers.protocols.network import SecurityGroupSpec
from pileus.services.adopted_records import display_name, save_machine, save_network, save_volume
from pileus.store import resource_revisions
from pileus.store.account import projects
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.network import floating_ips, networks, routers
from pileus.store.rows import Table
from pileus.store.savepoints import undo_on_problem
from pileus.store.storage import snapshots, volumes

CHECKED = 200
"""Resources of a kind that a list checks, in one transaction."""
NOT_ADOPTED = "Resources of this kind are not adopted: they stay as they are"
UNCHECKED = f"Not checked, as {CHECKED} before it are: try to adopt it"
Write = Callable[[Callable[[Tx], Awaitable[Any]]], Awaitable[Any]]
"""Runs a function in one transaction."""


class AdoptableKind(StrEnum):
    """The kinds of resources that can be adopted, in the order in which they need each other."""

    NETWORK = "network"
    VOLUME = "volume"
    INSTANCE = "instance"


TABLES: dict[str, Table[Any]] = {
    AdoptableKind.NETWORK: networks.TABLE,
    AdoptableKind.VOLUME: volumes.TABLE,
    AdoptableKind.INSTANCE: instances.TABLE,
}
OTHER_TABLES: dict[str, Table[Any]] = {
    "router": routers.TABLE,
    "floating_ip": floating_ips.TABLE,
    "snapshot": snapshots.TABLE,
}


class Candidate(Struct, frozen=True, kw_only=True):
    """A foreign resource, and what prevents its adoption, if anything. `id` is the one that it gets.

    Whether anything prevents the adoption of one that is not checked is known when it is tried.
    """

    kind: str
    cloud_id: str
    id: str
    name: str
    obstacle: str | None = None
    is_checked: bool = True


class _RolledBack(Exception):
    """Ends a transaction without saving anything."""


class Adoption:
    """The foreign resources of a region, and their adoption into the project of a context."""

    def __init__(self, ctx: Context, write: Write, driver: SupportsAdoption) -> None:
        self._ctx, self._write, self._driver = ctx, write, driver

    async def list_candidates(self) -> list[Candidate]:
        """Return the foreign resources. Nothing is changed. Raises DriverError or NotFound."""
        foreign = await self._list_foreign()
        candidates: list[Candidate] = []

        async def check(tx: Tx) -> None:
            candidates[:] = await self._check_all(tx, foreign)
            raise _RolledBack

        await self._roll_back(check)
        return candidates

    async def adopt(self, kind: AdoptableKind, cloud_id: str) -> Candidate:
        """Adopt a resource; what the project has already is left as it is.

        Raises DriverError, NotFound, Invalid, Conflict or QuotaExceeded.
        """
        foreign = await self._list_foreign()
        resource = _require_resource(foreign, kind, cloud_id)
        new_groups = await self._plan_groups(resource, foreign)
        if new_groups is not None:
            await self._mark(resource, new_groups)
            await self._write(lambda tx: self._save(tx, resource, foreign))
        return _candidate(kind, resource)

    async def _plan_groups(
        self, resource: ForeignResource, foreign: ForeignResources
    ) -> list[SecurityGroupSpec] | None:
        """Check an adoption; return its new security groups, or None if there is nothing to do."""
        new_groups: list[SecurityGroupSpec] | None = None

        async def check(tx: Tx) -> None:
            nonlocal new_groups
            new_groups = await self._save(tx, resource, foreign)
            raise _RolledBack

        await self._roll_back(check)
        return new_groups

    async def _list_foreign(self) -> ForeignResources:
        self._ctx.require_region()
        cell = parse_id_cell(self._ctx.new_ordered_id())
        return await self._driver.list_foreign_resources(self._ctx.place.region_id, partial(derive_id, cell=cell))

    async def _roll_back(self, work: Callable[[Tx], Awaitable[None]]) -> None:
        try:
            await self._write(work)
        except _RolledBack:
            return

    async def _check_all(self, tx: Tx, foreign: ForeignResources) -> list[Candidate]:
        candidates: list[Candidate] = []
        for kind, resources in _resources_by_kind(foreign):
            known = await resource_revisions.list_known_ids(tx, TABLES[kind], [item.id for item in resources])
            new = [item for item in resources if item.id not in known]
            candidates += [
                _candidate(kind, item, await self._find_obstacle(tx, item, foreign)) for item in new[:CHECKED]
            ]
            candidates += [replace(_candidate(kind, item, UNCHECKED), is_checked=False) for item in new[CHECKED:]]
        for name, table in OTHER_TABLES.items():
            others = [item for item in foreign.others if item.kind == name]
            known = await resource_revisions.list_known_ids(tx, table, [item.id for item in others])
            candidates += [_candidate(name, item, NOT_ADOPTED) for item in others if item.id not in known]
        return candidates

    async def _find_obstacle(self, tx: Tx, resource: ForeignResource, foreign: ForeignResources) -> str | None:
        try:
            async with undo_on_problem(tx):
                await self._save(tx, resource, foreign)
        except (Stale, Unavailable):
            raise
        except Problem as problem:
            return str(problem)
        return None

    async def _save(
        self, tx: Tx, resource: ForeignResource, foreign: ForeignResources
    ) -> list[SecurityGroupSpec] | None:
        """Save the records of a resource; return its new security groups, or None if the project has it already."""
        await projects.require_active(tx, self._ctx.place)
        if isinstance(resource, ForeignMachine):
            return await save_machine(tx, self._ctx, resource, foreign.groups)
        if isinstance(resource, ForeignNetwork):
            return await save_network(tx, self._ctx, resource)
        if isinstance(resource, ForeignVolume):
            return await save_volume(tx, self._ctx, resource)
        return []

    async def _mark(self, resource: ForeignResource, new_groups: list[SecurityGroupSpec]) -> None:
        if isinstance(resource, ForeignMachine):
            await self._driver.adopt_machine(resource, new_groups)
        elif isinstance(resource, ForeignNetwork):
            await self._driver.adopt_network(resource)
        elif isinstance(resource, ForeignVolume):
            await self._driver.adopt_volume(resource)


def _resources_by_kind(foreign: ForeignResources) -> Iterator[tuple[AdoptableKind, list[ForeignResource]]]:
    """Yield what can be adopted; the volumes of a foreign machine are adopted with it."""
    with_machines = {volume.id for machine in foreign.machines for volume in machine.volumes}
    yield AdoptableKind.NETWORK, list(foreign.networks)
    yield AdoptableKind.VOLUME, [volume for volume in foreign.volumes if volume.id not in with_machines]
    yield AdoptableKind.INSTANCE, list(foreign.machines)


def _require_resource(foreign: ForeignResources, kind: AdoptableKind, cloud_id: str) -> ForeignResource:
    resources = dict(_resources_by_kind(foreign))[kind]
    resource = next((item for item in resources if item.cloud_id == cloud_id), None)
    if resource is None:
        raise not_found(f"Foreign {kind.value}", cloud_id)
    return resource


def _candidate(kind: str, resource: ForeignResource, obstacle: str | None = None) -> Candidate:
    return Candidate(
        kind=kind, cloud_id=resource.cloud_id, id=resource.id, name=display_name(resource), obstacle=obstacle
    )
