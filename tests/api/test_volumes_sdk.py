"""Volumes and snapshots through the official client, with strict validation of its answers."""

import pytest
from gcore import ConflictError, NotFoundError

from pileus.domain.catalogue import derive_public_image_id
from tests.builders import an_instance
from tests.storage import a_snapshot, a_volume
from tests.tenants import REGION, Tenant

UBUNTU = derive_public_image_id(REGION, "ubuntu-22.04-x64")


async def test_the_life_cycle_of_a_volume(tenant: Tenant) -> None:
    volumes, instance = tenant.sdk.cloud.volumes, await an_instance(tenant)

    volume = await volumes.create_and_poll(
        name="data", size=10, source="new-volume", tags={"a": "b"}, polling_interval_seconds=1
    )
    await volumes.attach_to_instance_and_poll(
        volume.id, instance_id=instance.id, attachment_tag="logs", polling_interval_seconds=1
    )
    attached = await volumes.get(volume.id)
    grown = await volumes.resize_and_poll(volume.id, size=12, polling_interval_seconds=1)
    retyped = await volumes.change_type(volume.id, volume_type="ssd_hiiops")
    renamed = await volumes.update(volume.id, name="logs", tags={"a": None})
    await volumes.detach_from_instance_and_poll(volume.id, instance_id=instance.id, polling_interval_seconds=1)
    free = await volumes.get(volume.id)
    await volumes.delete_and_poll(volume.id, polling_interval_seconds=1)

    assert (volume.name, volume.status, volume.size) == ("data", "available", 10)
    assert attached.attachments
    assert (attached.status, attached.attachments[0].server_id) == ("in-use", instance.id)
    assert (grown.size, retyped.volume_type, renamed.name) == (12, "ssd_hiiops", "logs")
    assert retyped.limiter_stats is not None
    assert retyped.limiter_stats.m_bps_base_limit == 30
    assert [tag.key for tag in renamed.tags] == ["task_id"]
    assert (free.status, free.attachments) == ("available", [])
    with pytest.raises(NotFoundError):
        await volumes.get(volume.id)


async def test_volumes_from_an_image_and_a_snapshot(tenant: Tenant) -> None:
    volumes, snapshots = tenant.sdk.cloud.volumes, tenant.sdk.cloud.volume_snapshots

    root = await volumes.create_and_poll(
        name="root", size=20, source="image", image_id=UBUNTU, polling_interval_seconds=1
    )
    snapshot = await snapshots.create_and_poll(
        name="before", volume_id=root.id, tags={"a": "b"}, polling_interval_seconds=1
    )
    copy = await volumes.create_and_poll(
        name="copy", source="snapshot", snapshot_id=snapshot.id, polling_interval_seconds=1
    )

    assert root.volume_image_metadata is not None
    assert (root.bootable, root.volume_image_metadata["image_id"]) == (True, UBUNTU)
    assert (snapshot.status, snapshot.size, snapshot.volume_id) == ("available", 20, root.id)
    assert (copy.bootable, copy.size, copy.volume_type) == (True, 20, "standard")


async def test_the_life_cycle_of_a_snapshot(tenant: Tenant) -> None:
    snapshots, volume = tenant.sdk.cloud.volume_snapshots, await a_volume(tenant)

    snapshot = await snapshots.create_and_poll(
        name="before", volume_id=volume.id, description="all", polling_interval_seconds=1
    )
    renamed = await snapshots.update(snapshot.id, name="after", tags={"a": "b"})
    current = await snapshots.get(snapshot.id)
    page = await snapshots.list(volume_id=volume.id)
    await tenant.sdk.cloud.volumes.revert_to_last_snapshot(volume.id)
    await _wait_for_tasks(tenant)
    await snapshots.delete_and_poll(snapshot.id, polling_interval_seconds=1)

    assert (snapshot.description, renamed.name, current) == ("all", "after", renamed)
    assert [item.id for item in page.results] == [snapshot.id]
    with pytest.raises(NotFoundError):
        await snapshots.get(snapshot.id)


async def test_lists_are_read_page_by_page(tenant: Tenant) -> None:
    created = {(await a_volume(tenant)).id for _ in range(5)}
    volume = await a_volume(tenant, name="other", labels={"a": "b"})
    taken = {(await a_snapshot(tenant, volume)).id for _ in range(3)}

    volumes = [volume.id async for volume in tenant.sdk.cloud.volumes.list(limit=2)]
    named = [
        volume.id async for volume in tenant.sdk.cloud.volumes.list(name_part="oth", tag_key=["a"], bootable=False)
    ]
    snapshots = [snapshot.id async for snapshot in tenant.sdk.cloud.volume_snapshots.list(limit=2)]

    assert (set(volumes), len(volumes)) == (created | {volume.id}, 6)
    assert named == [volume.id]
    assert (set(snapshots), len(snapshots)) == (taken, 3)


async def test_an_invalid_request_raises_the_clients_error(tenant: Tenant) -> None:
    volume = await a_volume(tenant, await an_instance(tenant))

    with pytest.raises(ConflictError):
        await tenant.sdk.cloud.volumes.delete(volume.id)
    with pytest.raises(ConflictError):
        await tenant.sdk.cloud.volumes.revert_to_last_snapshot(volume.id)


async def _wait_for_tasks(tenant: Tenant) -> None:
    """Wait for the running task, because the client's revert returns none."""
    for task in (await tenant.api.get("/cloud/v1/tasks")).json()["results"]:
        await tenant.wait_for_task(task["id"])
