"""Create instances over HTTP, and count resources."""

from typing import Any

import httpx

from pileus.domain.storage.volumes import Volume, VolumeStatus
from pileus.domain.tags import make_tags
from pileus.store import tags
from pileus.store.database import Tx
from pileus.store.storage import volumes
from tests.builders import (
    place_of,
    updated_record_fields,
)
from tests.orders import an_order
from tests.simulated_cloud import count_machines_volumes_and_nics
from tests.tenants import Tenant

CREATE = "create_vm"


async def order_instance(tenant: Tenant, **changes: Any) -> httpx.Response:
    return await tenant.api.post(tenant.path("instances", version=2), json=an_order(**changes))


async def create_instance(tenant: Tenant, **changes: Any) -> dict[str, Any]:
    task = await tenant.wait_until_finished(await order_instance(tenant, **changes))
    (instance_id,) = task["created_resources"]["instances"]
    return dict((await tenant.api.get(tenant.path("instances", instance_id))).json())


async def fail_to_create_instance(tenant: Tenant, **changes: Any) -> dict[str, Any]:
    (task_id,) = (await order_instance(tenant, **changes)).json()["tasks"]
    task = await tenant.wait_for_task(task_id)
    assert task["state"] == "ERROR"
    return task


async def a_volume(tenant: Tenant, **changes: Any) -> Volume:
    fields = {"name": "data", "size": 20, "status": VolumeStatus.AVAILABLE.value}
    volume = Volume(**{**updated_record_fields(tenant), **fields, **changes})

    async def write(tx: Tx) -> Volume:
        await tags.add(tx, volumes.KIND, place_of(tenant), volume.id, make_tags([("kept", "yes")]))
        return await volumes.add(tx, volume)

    return await tenant.running.app_state.db.write(write)


async def count_resources(tenant: Tenant) -> dict[str, int]:
    """Count the tenant's rows in each table, and the resources in the simulated cloud."""
    place = place_of(tenant)
    tables = ("instances", "volumes", "ports", "floating_ips", "tags")
    result: dict[str, int] = {}
    async with tenant.running.app_state.db.read() as tx:
        for table in tables:
            row = await tx.one(f"SELECT count(*) FROM {table} WHERE project_id = :id", id=place.project_id)
            result[table] = row[0] if row else 0
        row = await tx.one("SELECT count(*) FROM addresses")
    machines, disks, interfaces = (await count_machines_volumes_and_nics(tenant.running.app_state.db))[:3]
    world = {"machines": machines, "disks": disks, "interfaces": interfaces}
    return {**result, "addresses": row[0] if row else 0, **world}


def fixed_addresses(view: dict[str, Any]) -> list[str]:
    return [entry["addr"] for entries in view["addresses"].values() for entry in entries if entry["type"] == "fixed"]
