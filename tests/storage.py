"""Volumes and snapshots of a tenant's for tests, put straight into the store and the driver."""

from typing import Any

import pytest
from msgspec.structs import replace

from pileus.domain.account.user_actions import UserAction
from pileus.domain.compute.instances import Instance
from pileus.domain.faults import Fault, FaultKind
from pileus.domain.storage.lifecycle_policies import LifecyclePolicy
from pileus.domain.storage.schedules import Interval, Schedule
from pileus.domain.storage.volumes import Attachment, Snapshot, Volume, VolumeStatus, device_name
from pileus.domain.tags import make_tags
from pileus.drivers.protocols.storage import Disk
from pileus.store import faults, tags
from pileus.store.account import user_actions
from pileus.store.database import Tx
from pileus.store.storage import attachments, lifecycle_policies, schedules, snapshots, volumes
from tests.builders import driver_of, place_of, record_fields, updated_record_fields
from tests.tenants import Tenant


async def a_volume(
    tenant: Tenant, instance: Instance | None = None, *, labels: dict[str, str] | None = None, **changes: Any
) -> Volume:
    """A blank volume of 10 GiB with `labels`: free, or on an instance if that is named."""
    status = VolumeStatus.IN_USE if instance else VolumeStatus.AVAILABLE
    volume = Volume(**{"name": "data", "size": 10, "status": status.value, **updated_record_fields(tenant), **changes})

    async def write(tx: Tx) -> None:
        await volumes.add(tx, volume)
        await tags.add(tx, volumes.KIND, place_of(tenant), volume.id, make_tags((labels or {}).items()))
        if instance:
            await _attach(tx, tenant, volume, instance)

    await tenant.running.app_state.db.write(write)
    driver, disk = driver_of(tenant.running), Disk(id=volume.id, size=volume.size, type_name=volume.type_name)
    await driver.ensure_volume(disk)
    if instance:
        await driver.ensure_attached(instance.id, disk)
    return volume


async def a_snapshot(
    tenant: Tenant, volume: Volume, *, labels: dict[str, str] | None = None, **changes: Any
) -> Snapshot:
    """A snapshot of a volume as it is, with `labels`."""
    facts = {"name": "before", "volume_id": volume.id, "size": volume.size, "creator_task_id": volume.id}
    snapshot = Snapshot(**{**facts, **updated_record_fields(tenant), **changes})

    async def write(tx: Tx) -> None:
        await snapshots.add(tx, snapshot)
        await tags.add(tx, snapshots.KIND, place_of(tenant), snapshot.id, make_tags((labels or {}).items()))

    await tenant.running.app_state.db.write(write)
    await driver_of(tenant.running).ensure_snapshot(snapshot.id, volume.id)
    return snapshot


async def a_lifecycle_policy(tenant: Tenant, name: str = "nightly") -> tuple[int, str]:
    """A lifecycle policy with a schedule that does not run; the ids of both."""
    facts = {**record_fields(tenant), "user_id": tenant.client_id}

    async def write(tx: Tx) -> int:
        policy_id = await lifecycle_policies.allocate_id(tx)
        policy = LifecyclePolicy(**{**facts, "id": policy_id, "name": name, "updated_at": 0})
        schedule = Schedule(**facts, lifecycle_policy_id=policy_id, timing=Interval(weeks=1), next_at=None)
        await schedules.add(tx, schedule)
        return (await lifecycle_policies.add(tx, policy)).id

    return await tenant.running.app_state.db.write(write), facts["id"]


async def inject_fault(tenant: Tenant, kind: FaultKind, task_type: str, step: str | None = None) -> None:
    """Let tasks of a type fail, or stand still, at a step."""
    cloud = tenant.running.app_state
    fault = Fault(
        id=cloud.new_id(), kind=kind, task_type=task_type, step=step, message="No disk", created_at=cloud.now()
    )
    await cloud.db.write(lambda tx: faults.add(tx, fault))


def set_quotas(tenant: Tenant, monkeypatch: pytest.MonkeyPatch, **quotas: int) -> None:
    """Let these be the only quotas."""
    cloud = tenant.running.app_state
    monkeypatch.setattr(cloud, "catalogue", replace(cloud.catalogue, quotas=quotas))


async def list_user_actions(tenant: Tenant) -> list[UserAction]:
    """The tenant's lines of the audit log."""
    async with tenant.running.app_state.db.read() as tx:
        return await user_actions.TABLE.find(tx, "client_id = :id ORDER BY created_at, id", id=tenant.client_id)


async def find_volume(tenant: Tenant, volume: Volume) -> Volume | None:
    """A volume as it is written down, or None."""
    async with tenant.running.app_state.db.read() as tx:
        return await volumes.find(tx, volume.id)


async def list_snapshots(tenant: Tenant, volume: Volume) -> list[Snapshot]:
    """A volume's snapshots as they are written down."""
    async with tenant.running.app_state.db.read() as tx:
        return await snapshots.list_by_volume(tx, volume.id)


async def _attach(tx: Tx, tenant: Tenant, volume: Volume, instance: Instance) -> None:
    others = await attachments.list_by_instance(tx, instance.id)
    attachment = Attachment(
        volume_id=volume.id,
        id=tenant.running.app_state.new_id(),
        instance_id=instance.id,
        device=device_name(len(others)),
        attached_at=volume.created_at,
    )
    await attachments.add(tx, attachment)
