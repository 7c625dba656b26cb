"""The room of a host is not assigned twice."""

import asyncio

import pytest

from pileus.domain.account.projects import Project
from pileus.domain.errors import NoCapacity
from pileus.services.compute.capacities import check_capacity
from pileus.store import region_drivers
from pileus.store.account import clients, projects
from pileus.store.compute import instances
from pileus.store.database import Database, Tx
from pileus.store.region_drivers import RegionDriver
from tests.domain.builders import a_context, an_instance
from tests.drivers.memory import MemoryDriver, MemorySettings
from tests.simulated_cloud import drivers_of_regions


async def test_the_last_room_of_a_host_goes_to_one_of_two_orders(db: Database) -> None:
    ctx, drivers = a_context(), drivers_of_regions(MemoryDriver(MemorySettings(vcpus=1), [1, 2]))
    is_ordered, may_end = asyncio.Event(), asyncio.Event()

    async def add_owner(tx: Tx) -> None:
        await region_drivers.save(tx, RegionDriver(region_id=1, driver="memory", place=""))
        await clients.add(tx, ctx.place.client_id, "tenant", 0)
        project = Project(id=ctx.place.project_id, client_id=ctx.place.client_id, name="default", created_at=0)
        await projects.add(tx, project)

    async def order(instance_id: str, tx: Tx) -> None:
        instance = an_instance(id=instance_id)
        flavor = ctx.catalogue.flavor(instance.flavor_id)
        assert flavor is not None
        await check_capacity(tx, ctx, drivers, flavor)
        await instances.add(tx, instance)

    async def order_first(tx: Tx) -> None:
        await order("first", tx)
        is_ordered.set()
        await may_end.wait()

    await db.write(add_owner)
    first = asyncio.create_task(db.write(order_first))
    await is_ordered.wait()
    second = asyncio.create_task(db.write(lambda tx: order("second", tx)))
    # It waits for the first order, or ends now.
    await asyncio.wait({second}, timeout=0.3)
    may_end.set()
    await first

    with pytest.raises(NoCapacity):
        await second
