"""Find resources that somebody has deleted outside of this program, in the regions of drivers that know what exists.

Networks, subnets, routers, security groups and floating IPs are made again, by the task that updates them, with no
change: it locks the record, and tenants see it. Volumes, snapshots and images are shown as failed, as their data are
gone. What exists without a record is reported to the log once and left alone.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from msgspec import Struct, to_builtins
from msgspec.structs import replace

from pileus.domain.compute.images import ImageStatus
from pileus.domain.network.routers import RouterPatch
from pileus.domain.network.subnets import SubnetPatch
from pileus.domain.network.task_types import (
    UPDATE_FLOATING_IP,
    UPDATE_NETWORK,
    UPDATE_ROUTER,
    UPDATE_SECURITY_GROUP,
    UPDATE_SUBNET,
    UpdateFloatingIPArgs,
    UpdateNetworkArgs,
    UpdateRouterArgs,
    UpdateSecurityGroupArgs,
    UpdateSubnetArgs,
)
from pileus.domain.patches import ResourcePatch
from pileus.domain.storage.volumes import SnapshotStatus, VolumeStatus
from pileus.domain.tasks import Task, TaskType, queue_name
from pileus.drivers.protocols.inventory import InventoryKind, SupportsInventory
from pileus.store import resource_revisions, tasks
from pileus.store.compute import images
from pileus.store.database import Database, Tx
from pileus.store.network import floating_ips, networks, routers, security_groups, subnets
from pileus.store.resource_revisions import ResourceRecords
from pileus.store.storage import snapshots, volumes
from pileus.tasks.clocks import CloudClock
from pileus.tasks.periodic import repeat

LOG = logging.getLogger(__name__)
INTERVAL = 60.0
"""Seconds between two runs."""
PAGE_SIZE = 2000
"""Records of a kind that a run looks at."""
FIRST_PAUSE, LONGEST_PAUSE = 60.0, 86400.0
"""Seconds until a resource that is still missing is made again; doubled each time."""
SaveResource = Callable[[Tx, Any, Any], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class MissingKind:
    """Which records of a kind the driver must have, and what becomes of one that it has not.

    `task_type` with `make_args` makes it again; without them, it is saved with `failed_status`.
    """

    kind: InventoryKind
    records: ResourceRecords
    save: SaveResource
    task_type: TaskType[Any] | None = None
    make_args: Callable[[str], Struct] | None = None
    failed_status: str = ""


KINDS = (
    MissingKind(
        InventoryKind.NETWORKS,
        ResourceRecords(networks.TABLE, "project_id IS NOT NULL"),
        networks.save,
        UPDATE_NETWORK,
        lambda id_: UpdateNetworkArgs(network_id=id_, patch=ResourcePatch()),
    ),
    MissingKind(
        InventoryKind.SUBNETS,
        ResourceRecords(subnets.TABLE, "project_id IS NOT NULL"),
        subnets.save,
        UPDATE_SUBNET,
        lambda id_: UpdateSubnetArgs(subnet_id=id_, patch=SubnetPatch()),
    ),
    MissingKind(
        InventoryKind.SECURITY_GROUPS,
        # A default group is sent to the driver when a machine needs it.
        ResourceRecords(security_groups.TABLE, "is_default = 0"),
        security_groups.save,
        UPDATE_SECURITY_GROUP,
        lambda id_: UpdateSecurityGroupArgs(group_id=id_),
    ),
    MissingKind(
        InventoryKind.ROUTERS,
        ResourceRecords(routers.TABLE),
        routers.save,
        UPDATE_ROUTER,
        lambda id_: UpdateRouterArgs(router_id=id_, patch=RouterPatch()),
    ),
    MissingKind(
        InventoryKind.FLOATING_IPS,
        ResourceRecords(floating_ips.TABLE, "port_id IS NOT NULL"),
        floating_ips.save,
        UPDATE_FLOATING_IP,
        lambda id_: UpdateFloatingIPArgs(floating_ip_id=id_),
    ),
    MissingKind(
        InventoryKind.VOLUMES,
        ResourceRecords(volumes.TABLE, "status <> 'error'"),
        volumes.save,
        failed_status=VolumeStatus.ERROR.value,
    ),
    MissingKind(
        InventoryKind.SNAPSHOTS,
        ResourceRecords(snapshots.TABLE, "status <> 'error'"),
        snapshots.save,
        failed_status=SnapshotStatus.ERROR.value,
    ),
    MissingKind(
        InventoryKind.IMAGES,
        ResourceRecords(images.TABLE, "project_id IS NOT NULL AND status = 'active'"),
        images.save,
        failed_status=ImageStatus.ERROR.value,
    ),
)
"""In the order in which they need each other."""


@dataclass(slots=True)
class MissingResources:
    """Looks for missing resources in the regions of one driver, a bounded number of records in each run."""

    db: Database
    driver: SupportsInventory
    clock: CloudClock
    region_ids: Sequence[int]
    new_task_id: Callable[[], str]
    nudge: Callable[[], None]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    kinds: Sequence[MissingKind] = KINDS
    _last_ids: dict[InventoryKind, str] = field(default_factory=dict)
    _unknown_ids: dict[InventoryKind, set[str]] = field(default_factory=dict)
    _reported_ids: set[str] = field(default_factory=set)
    _pauses: dict[str, tuple[float, float]] = field(default_factory=dict)

    async def run(self) -> None:
        """Look for missing resources until cancelled; failures are logged."""
        await repeat(self.check_next_pages, INTERVAL, self.sleep, LOG, "Looking for missing resources failed")

    async def check_next_pages(self) -> None:
        """Look at the next records of each kind. Raises DriverError if the driver does not know.

        If something is made again, what needs it is looked at in the next run.
        """
        for kind in self.kinds:
            if await self._check_next_page(kind):
                return

    async def _check_next_page(self, kind: MissingKind) -> bool:
        """Return whether something is made again."""
        # Records are read first: one that is unlocked and does not change meanwhile must exist.
        async with self.db.scan() as tx:
            revisions = await resource_revisions.list_unlocked(
                tx, kind.records, self.region_ids, self._last_ids.get(kind.kind, ""), PAGE_SIZE
            )
        existing = await self.driver.list_resource_ids(kind.kind)
        handled = [
            await self._handle_missing(kind, resource_id, revisions[resource_id])
            for resource_id in sorted(revisions.keys() - existing)
        ]
        for resource_id in revisions.keys() & existing:
            self._pauses.pop(resource_id, None)
        self._last_ids[kind.kind] = max(revisions) if len(revisions) == PAGE_SIZE else ""
        await self._report_unknown(kind, existing)
        return kind.task_type is not None and any(handled)

    async def _handle_missing(self, kind: MissingKind, resource_id: str, revision: int) -> bool:
        """Return whether anything was changed. What fails again and again is tried at growing intervals."""
        now = self.clock.system_now() / 1_000_000
        due, pause = self._pauses.get(resource_id, (0.0, FIRST_PAUSE))
        if now < due or not await self.db.write(partial(self._save_missing, kind, resource_id, revision)):
            return False
        LOG.error("A resource is gone", extra={"kind": kind.kind.value, "resource_id": resource_id})
        self._pauses[resource_id] = (now + pause, min(2 * pause, LONGEST_PAUSE))
        self.nudge()
        return True

    async def _save_missing(self, kind: MissingKind, resource_id: str, revision: int, tx: Tx) -> bool:
        """Return whether anything was changed; not if the record has been changed, locked or deleted meanwhile."""
        record = await kind.records.table.find_by_id(tx, resource_id)
        if record is None or record.task_id is not None or record.revision != revision:
            return False
        if kind.task_type is None or kind.make_args is None:
            await kind.save(tx, record, replace(record, status=kind.failed_status))
            return True
        task = self._new_task(kind.task_type, to_builtins(kind.make_args(resource_id)), record)
        await kind.save(tx, record, record.locked(task.id))
        await tasks.add(tx, task)
        return True

    def _new_task(self, task_type: TaskType[Any], args: dict[str, Any], record: Any) -> Task:
        """Return a task that no request has started."""
        return Task(
            id=self.new_task_id(),
            task_type=task_type.name,
            client_id=record.client_id,
            user_id=0,
            project_id=record.project_id,
            region_id=record.region_id,
            args=args,
            data=args,
            created_at=self.clock.now(),
            slot_class=task_type.slot_class,
            queue=queue_name(record.client_id, record.region_id),
        )

    async def _report_unknown(self, kind: MissingKind, existing: AbstractSet[str]) -> None:
        """Report what has had no record in two runs: what has none once may be deleted at the moment."""
        unreported = sorted(existing - self._reported_ids)
        async with self.db.scan() as tx:
            known = await resource_revisions.list_known_ids(tx, kind.records.table, unreported)
        unknown = set(unreported) - known
        for resource_id in sorted(unknown & self._unknown_ids.get(kind.kind, set())):
            fields = {"kind": kind.kind.value, "resource_id": resource_id}
            LOG.warning("A resource has no record: it is left alone", extra=fields)
            self._reported_ids.add(resource_id)
        self._unknown_ids[kind.kind] = unknown
