"""Find security groups, interfaces and floating IPs that somebody has changed outside of this program.

The task that updates them sets them again, as `missing_resources` does with what is gone. A difference has to be there
in two runs: a task without a lock may be about to remove it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from pileus.domain.network.task_types import (
    UPDATE_FLOATING_IP,
    UPDATE_PORTS,
    UPDATE_SECURITY_GROUP,
    UpdateFloatingIPArgs,
    UpdatePortSecurityArgs,
    UpdateSecurityGroupArgs,
)
from pileus.drivers.protocols.inventory import SupportsComparison
from pileus.drivers.protocols.network import FloatingIPSpec, SecurityGroupSpec
from pileus.store import resource_revisions
from pileus.store.database import Database, Tx
from pileus.store.network import floating_ips, ports, security_groups
from pileus.store.resource_revisions import ResourceRecords
from pileus.tasks.compute.machines import load_nic_spec
from pileus.tasks.network.floating_ips import floating_ip_spec
from pileus.tasks.periodic import repeat
from pileus.tasks.resource_repairs import Repair, ResourceRepairs

LOG = logging.getLogger(__name__)
INTERVAL = 60.0
"""Seconds between two runs."""
PAGE_SIZE = 500
"""Records of a kind that a run looks at."""
OF_IDLE_INSTANCES = (
    "instance_id IN (SELECT id FROM instances WHERE task_id IS NULL AND status IN ('ACTIVE', 'SHUTOFF'))"
)


class ChangedKind(Repair, frozen=True, kw_only=True):
    """How the records of a kind are compared: `list_changed` gets what `load` reads."""

    load: Callable[[Tx, Sequence[str]], Awaitable[Any]]
    list_changed: Callable[[SupportsComparison, Any], Awaitable[AbstractSet[str]]]


async def _load_groups(tx: Tx, group_ids: Sequence[str]) -> list[SecurityGroupSpec]:
    rules = await security_groups.list_allowed_traffic_by_group(tx, group_ids)
    groups = await resource_revisions.list_by_id(tx, security_groups.TABLE, group_ids)
    return [SecurityGroupSpec(id=group.id, name=group.name, rules=rules.get(group.id, [])) for group in groups]


async def _load_interfaces(tx: Tx, port_ids: Sequence[str]) -> dict[str, Any]:
    records = await resource_revisions.list_by_id(tx, ports.TABLE, port_ids)
    return {port.id: (port.instance_id, await load_nic_spec(tx, port)) for port in records}


async def _load_floating_ips(tx: Tx, ids: Sequence[str]) -> list[FloatingIPSpec]:
    records = await resource_revisions.list_by_id(tx, floating_ips.TABLE, ids)
    specs = [await floating_ip_spec(tx, record, record.target) for record in records]
    return [spec for spec in specs if spec is not None]


KINDS = (
    ChangedKind(
        records=ResourceRecords(security_groups.TABLE),
        save=security_groups.save,
        task_type=UPDATE_SECURITY_GROUP,
        make_args=lambda id_: UpdateSecurityGroupArgs(group_id=id_),
        load=_load_groups,
        list_changed=lambda driver, groups: driver.list_changed_security_groups(groups),
    ),
    ChangedKind(
        records=ResourceRecords(ports.TABLE, OF_IDLE_INSTANCES),
        save=ports.save,
        task_type=UPDATE_PORTS,
        make_args=lambda id_: UpdatePortSecurityArgs(port_ids=[id_]),
        is_locked=False,
        load=_load_interfaces,
        list_changed=lambda driver, interfaces: driver.list_changed_interfaces(interfaces),
    ),
    ChangedKind(
        records=ResourceRecords(floating_ips.TABLE, "port_id IS NOT NULL"),
        save=floating_ips.save,
        task_type=UPDATE_FLOATING_IP,
        make_args=lambda id_: UpdateFloatingIPArgs(floating_ip_id=id_),
        load=_load_floating_ips,
        list_changed=lambda driver, specs: driver.list_changed_floating_ips(specs),
    ),
)
"""In the order in which they need each other."""


@dataclass(slots=True)
class ChangedResources:
    """Looks for changed resources in the regions of one driver, a bounded number of records in each run."""

    db: Database
    driver: SupportsComparison
    repairs: ResourceRepairs
    region_ids: Sequence[int]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _last_ids: dict[str, str] = field(default_factory=dict)
    _suspected: dict[str, set[str]] = field(default_factory=dict)

    async def run(self) -> None:
        """Look for changed resources until cancelled; failures are logged."""
        await repeat(self.check_next_pages, INTERVAL, self.sleep, LOG, "Looking for changed resources failed")

    async def check_next_pages(self) -> None:
        """Look at the next records of each kind. Raises DriverError if the driver does not know."""
        for kind in KINDS:
            await self._check_next_page(kind)

    async def _check_next_page(self, kind: ChangedKind) -> None:
        name = kind.records.table.name
        revisions, intended = await self._read_next_page(kind, self._last_ids.get(name, ""))
        self._last_ids[name] = max(revisions) if len(revisions) == PAGE_SIZE else ""
        changed = await kind.list_changed(self.driver, intended) if revisions else set[str]()
        suspected = self._suspected.setdefault(name, set())
        for resource_id in sorted(changed & suspected):
            await self.repairs.handle(kind, resource_id, revisions[resource_id], "A resource was changed in the cloud")
        self.repairs.forget(kind, revisions.keys() - changed)
        suspected -= revisions.keys() - changed
        suspected |= changed

    async def _read_next_page(self, kind: ChangedKind, after: str) -> tuple[Mapping[str, int], Any]:
        """Return the revisions of the next records, and what they should be, from one snapshot."""
        async with self.db.scan() as tx:
            revisions = await resource_revisions.list_unlocked(tx, kind.records, self.region_ids, after, PAGE_SIZE)
            return revisions, await kind.load(tx, list(revisions))
