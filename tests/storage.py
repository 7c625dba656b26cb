"""Builders of volumes, snapshots and lifecycle policies, and reads of their records."""

from typing import Any

import pytest
from msgspec.structs import asdict, replace

from pileus.domain.account.user_actions import UserAction
from pileus.domain.compute.instances import Instance
from pileus.domain.faults import Fault, FaultKind
from pileus.domain.network.networks import Subnet
from pileus.domain.storage.file_shares import AccessRule, FileShare, FileShareStatus, ShareSettings
from pileus.domain.storage.lifecycle_policies import LifecyclePolicy
from pileus.domain.storage.schedules import Interval, Schedule
from pileus.domain.storage.volumes import Attachment, Snapshot, Volume, VolumeStatus, device_name
from pileus.domain.tags import make_tags
from pileus.drivers.protocols.storage import DiskSpec, FileShareSpec, ShareAccess
from pileus.store import faults, tags
from pileus.store.account import user_actions
from pileus.store.database import Tx
from pileus.store.network import addresses
from pileus.store.storage import attachments, file_shares, lifecycle_policies, schedules, snapshots, volumes
from tests.builders import driver_of, place_of, record_fields, updated_record_fields
from tests.tenants import Tenant

CREATOR = "00000000-0000-4000-8000-00000000000c"
"""A task that is not there any more."""


async def a_volume(
    tenant: Tenant, instance: Instance | None = None, *, labels: dict[str, str] | None = None, **changes: Any
) -> Volume:
    """Add a blank volume of 10 GiB with `labels`, attached to an instance if one is given."""
    status = VolumeStatus.IN_USE if instance else VolumeStatus.AVAILABLE
    volume = Volume(**{"name": "data", "size": 10, "status": status.value, **updated_record_fields(tenant), **changes})

    async def write(tx: Tx) -> None:
        await volumes.add(tx, volume)
        await tags.add(tx, volumes.KIND, place_of(tenant), volume.id, make_tags((labels or {}).items()))
        if instance:
            await _attach(tx, tenant, volume, instance)

    await tenant.running.app_state.db.write(write)
    driver, disk = driver_of(tenant.running), DiskSpec(id=volume.id, size=volume.size, type_name=volume.type_name)
    await driver.ensure_volume(disk)
    if instance:
        await driver.ensure_volume_attachment(instance.id, disk)
    return volume


async def a_file_share(
    tenant: Tenant, subnet: Subnet | None = None, *, labels: dict[str, str] | None = None, **changes: Any
) -> FileShare:
    """Add a file share of 10 GiB with `labels`: a standard one in a subnet, or a VAST one."""
    place = {"network_id": subnet.network_id, "subnet_id": subnet.id} if subnet else {}
    fields = {
        "name": "data",
        "size": 10,
        "status": FileShareStatus.AVAILABLE.value,
        "creator_task_id": CREATOR,
        **place,
    }
    fields |= {"type_name": "standard"} if subnet else {"type_name": "vast", "share_settings": ShareSettings()}
    share = FileShare(**{**fields, **updated_record_fields(tenant), **changes})

    async def write(tx: Tx) -> str | None:
        await file_shares.add(tx, share)
        await tags.add(tx, file_shares.KIND, place_of(tenant), share.id, make_tags((labels or {}).items()))
        return await addresses.allocate(tx, subnet, file_share_id=share.id) if subnet else None

    ip_address = await tenant.running.app_state.db.write(write)
    settings = asdict(share.share_settings) if share.share_settings else {}
    spec = FileShareSpec(
        id=share.id,
        client_id=share.client_id,
        size=share.size,
        type_name=share.type_name,
        network_id=share.network_id,
        ip_address=ip_address,
        settings=settings,
    )
    connection_point = await driver_of(tenant.running).ensure_file_share(spec)
    return await tenant.running.app_state.db.write(
        lambda tx: file_shares.save(tx, share, replace(share, connection_point=connection_point))
    )


async def an_access_rule(tenant: Tenant, share: FileShare, access_to: str = "10.0.0.0/24") -> AccessRule:
    """Add read access to a file share."""
    rule = AccessRule(
        id=tenant.running.app_state.new_id(),
        file_share_id=share.id,
        access_to=access_to,
        access_level="ro",
        state="active",
        created_at=0,
    )
    await tenant.running.app_state.db.write(lambda tx: file_shares.add_rules(tx, [rule]))
    await driver_of(tenant.running).ensure_share_access(ShareAccess.of(rule))
    return rule


async def a_snapshot(
    tenant: Tenant, volume: Volume, *, labels: dict[str, str] | None = None, **changes: Any
) -> Snapshot:
    """Add a snapshot of a volume with `labels`."""
    fields = {"name": "before", "volume_id": volume.id, "size": volume.size, "creator_task_id": volume.id}
    snapshot = Snapshot(**{**fields, **updated_record_fields(tenant), **changes})

    async def write(tx: Tx) -> None:
        await snapshots.add(tx, snapshot)
        await tags.add(tx, snapshots.KIND, place_of(tenant), snapshot.id, make_tags((labels or {}).items()))

    await tenant.running.app_state.db.write(write)
    await driver_of(tenant.running).ensure_snapshot(snapshot.id, volume.id)
    return snapshot


async def a_lifecycle_policy(tenant: Tenant, name: str = "nightly") -> tuple[int, str]:
    """Add a lifecycle policy with an inactive schedule. Return both ids."""
    fields = {**record_fields(tenant), "user_id": tenant.client_id}

    async def write(tx: Tx) -> int:
        policy_id = await lifecycle_policies.allocate_id(tx)
        policy = LifecyclePolicy(**{**fields, "id": policy_id, "name": name, "updated_at": 0})
        schedule = Schedule(**fields, lifecycle_policy_id=policy_id, timing=Interval(weeks=1), next_at=None)
        await schedules.add(tx, schedule)
        return (await lifecycle_policies.add(tx, policy)).id

    return await tenant.running.app_state.db.write(write), fields["id"]


async def inject_fault(tenant: Tenant, kind: FaultKind, task_type: str, step: str | None = None) -> None:
    """Make tasks of a type fail or wait at a step."""
    cloud = tenant.running.app_state
    fault = Fault(
        id=cloud.new_id(),
        client_id=tenant.client_id,
        kind=kind,
        task_type=task_type,
        step=step,
        message="No disk",
        created_at=cloud.now(),
    )
    await cloud.db.write(lambda tx: faults.add(tx, fault))


def set_quotas(tenant: Tenant, monkeypatch: pytest.MonkeyPatch, **quotas: int) -> None:
    """Replace all default quotas."""
    cloud = tenant.running.app_state
    monkeypatch.setattr(cloud, "catalogue", replace(cloud.catalogue, quotas=quotas))


async def list_user_actions(tenant: Tenant) -> list[UserAction]:
    """Read the tenant's entries of the audit log, oldest first."""
    async with tenant.running.app_state.db.read() as tx:
        return await user_actions.TABLE.find(tx, "client_id = :id ORDER BY created_at, id", id=tenant.client_id)


async def find_volume(tenant: Tenant, volume: Volume) -> Volume | None:
    """Read the record of a volume, or None."""
    async with tenant.running.app_state.db.read() as tx:
        return await volumes.find(tx, volume.id)


async def list_snapshots(tenant: Tenant, volume: Volume) -> list[Snapshot]:
    """Read the snapshots of a volume."""
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
