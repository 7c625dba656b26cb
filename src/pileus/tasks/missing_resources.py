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
from pileus.drivers.protocols.inventory import InventoryKind, SupportsInventory
from pileus.store import resource_revisions
from pileus.store.compute import images
from pileus.store.database import Database
from pileus.store.network import floating_ips, networks, routers, security_groups, subnets
from pileus.store.resource_revisions import ResourceRecords
from pileus.store.storage import snapshots, volumes
from pileus.tasks.periodic import repeat
from pileus.tasks.resource_repairs import Repair, ResourceRepairs

LOG = logging.getLogger(__name__)
INTERVAL = 60.0
"""Seconds between two runs."""
PAGE_SIZE = 2000
"""Records of a kind that a run looks at."""


class MissingKind(Repair, frozen=True, kw_only=True):
    """Which records of a kind the driver must have, and what becomes of one that it has not."""

    kind: InventoryKind


KINDS = (
    MissingKind(
        kind=InventoryKind.NETWORKS,
        records=ResourceRecords(networks.TABLE, "project_id IS NOT NULL"),
        save=networks.save,
        task_type=UPDATE_NETWORK,
        make_args=lambda id_: UpdateNetworkArgs(network_id=id_, patch=ResourcePatch()),
    ),
    MissingKind(
        kind=InventoryKind.SUBNETS,
        records=ResourceRecords(subnets.TABLE, "project_id IS NOT NULL"),
        save=subnets.save,
        task_type=UPDATE_SUBNET,
        make_args=lambda id_: UpdateSubnetArgs(subnet_id=id_, patch=SubnetPatch()),
    ),
    MissingKind(
        kind=InventoryKind.SECURITY_GROUPS,
        # A default group is sent to the driver when a machine needs it.
        records=ResourceRecords(security_groups.TABLE, "is_default = 0"),
        save=security_groups.save,
        task_type=UPDATE_SECURITY_GROUP,
        make_args=lambda id_: UpdateSecurityGroupArgs(group_id=id_),
    ),
    MissingKind(
        kind=InventoryKind.ROUTERS,
        records=ResourceRecords(routers.TABLE),
        save=routers.save,
        task_type=UPDATE_ROUTER,
        make_args=lambda id_: UpdateRouterArgs(router_id=id_, patch=RouterPatch()),
    ),
    MissingKind(
        kind=InventoryKind.FLOATING_IPS,
        records=ResourceRecords(floating_ips.TABLE, "port_id IS NOT NULL"),
        save=floating_ips.save,
        task_type=UPDATE_FLOATING_IP,
        make_args=lambda id_: UpdateFloatingIPArgs(floating_ip_id=id_),
    ),
    MissingKind(
        kind=InventoryKind.VOLUMES,
        records=ResourceRecords(volumes.TABLE, "status <> 'error'"),
        save=volumes.save,
        failed_status=VolumeStatus.ERROR.value,
    ),
    MissingKind(
        kind=InventoryKind.SNAPSHOTS,
        records=ResourceRecords(snapshots.TABLE, "status <> 'error'"),
        save=snapshots.save,
        failed_status=SnapshotStatus.ERROR.value,
    ),
    MissingKind(
        kind=InventoryKind.IMAGES,
        records=ResourceRecords(images.TABLE, "project_id IS NOT NULL AND status = 'active'"),
        save=images.save,
        failed_status=ImageStatus.ERROR.value,
    ),
)
"""In the order in which they need each other."""


@dataclass(slots=True)
class MissingResources:
    """Looks for missing resources in the regions of one driver, a bounded number of records in each run."""

    db: Database
    driver: SupportsInventory
    repairs: ResourceRepairs
    region_ids: Sequence[int]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    kinds: Sequence[MissingKind] = KINDS
    _last_ids: dict[InventoryKind, str] = field(default_factory=dict)
    _unknown_ids: dict[InventoryKind, set[str]] = field(default_factory=dict)
    _reported_ids: set[str] = field(default_factory=set)

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
            await self.repairs.handle(kind, resource_id, revisions[resource_id], "A resource is gone")
            for resource_id in sorted(revisions.keys() - existing)
        ]
        self.repairs.forget(kind, revisions.keys() & existing)
        self._last_ids[kind.kind] = max(revisions) if len(revisions) == PAGE_SIZE else ""
        await self._report_unknown(kind, existing)
        return kind.task_type is not None and any(handled)

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
