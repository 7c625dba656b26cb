"""Every change of what an instance shows changes its stamp; the statement that reads an instance names the tables."""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import replace

from pileus.app import RunningCloud
from pileus.domain.account.access import ALL_CLIENTS
from pileus.domain.compute.instances import Instance
from pileus.domain.compute.placement_groups import PlacementGroup
from pileus.domain.network.ddos_profiles import BlackholePort, DdosProfile
from pileus.domain.network.floating_ips import FloatingIP
from pileus.domain.network.networks import Network, Subnet
from pileus.domain.network.ports import AssignedAddress, Port
from pileus.domain.network.security_groups import SecurityGroup
from pileus.domain.storage.volumes import Attachment, Volume
from pileus.domain.tags import make_tags
from pileus.store import catalogue_sync, project_contents, retention, tags
from pileus.store.compute import instances, placement_groups
from pileus.store.database import Tx
from pileus.store.network import ddos_profiles, floating_ips, networks, ports, security_groups, subnets
from pileus.store.schema import open_database
from pileus.store.storage import attachments
from tests.builders import (
    a_ddos_profile,
    a_floating_ip,
    a_network,
    a_placement_group,
    a_port,
    a_security_group,
    an_instance,
)
from tests.storage import a_volume
from tests.tenants import REGION, Tenant, new_tenant

LABELS = {"env": "test", "team": "a"}


class World(Struct, kw_only=True):
    """An instance, called `instances`, and the records that it shows, by table, with others for changes."""

    instances: Instance
    ports: Port
    floating_ips: FloatingIP
    networks: Network
    subnets: Subnet
    security_groups: SecurityGroup
    ddos_profiles: DdosProfile
    blackhole: BlackholePort
    volume: Volume
    free_volume: Volume
    free_group: SecurityGroup
    free_port: Port
    placement_group: PlacementGroup


Change = Callable[[Tx, World], Awaitable[object]]
SAVES: Mapping[str, Callable[[Tx, Any, Any], Awaitable[Any]]] = {
    "instances": instances.save,
    "ports": ports.save,
    "floating_ips": floating_ips.save,
    "networks": networks.save,
    "subnets": subnets.save,
    "security_groups": security_groups.save,
    "ddos_profiles": ddos_profiles.save,
}
"""The functions that save a changed record, by table."""
CONSTANT = {
    *((table, column) for table in SAVES for column in ("id", "client_id", "project_id", "region_id", "created_at")),
    *((table, "revision") for table in SAVES),
    ("instances", "stamp"),
    ("ports", "network_id"),
    ("subnets", "ip_version"),
}
"""Columns of these tables that no function changes by itself."""


def a_blackhole(world: World) -> BlackholePort:
    return replace(world.blackhole, id=world.blackhole.id + 1)


async def save_tags(tx: Tx, world: World, labels: dict[str, str]) -> None:
    instance = world.instances
    before = await tags.list_by_resource(tx, instance.id)
    kept = {key: tag for key, tag in before.items() if tag.read_only}
    await tags.save(tx, instances.KIND, instance.place, instance.id, before, kept | make_tags(labels.items()))


async def restore_stamp(tx: Tx, world: World) -> None:
    """Give the instance its old stamp, as if this were another transaction."""
    tx.stamped.clear()
    await tx.run("UPDATE instances SET stamp = :old WHERE id = :id", old=world.instances.stamp, id=world.instances.id)


async def delete_port(tx: Tx, world: World) -> None:
    await floating_ips.remove(tx, world.floating_ips.id)
    await restore_stamp(tx, world)
    await ports.remove(tx, world.ports.id)


async def add_profile(tx: Tx, world: World) -> None:
    (address,) = await ports.list_addresses(tx, world.ports.id)
    profile = world.ddos_profiles
    await ddos_profiles.add(tx, replace(profile, id=profile.id + 1_000_000, ip_address=address.ip))


async def delete_old_alarm(tx: Tx, world: World) -> None:
    await ddos_profiles.end_blackhole(tx, ALL_CLIENTS, world.blackhole.id, "CLEAR", 99)
    await restore_stamp(tx, world)
    (table,) = (table for table in retention.EXPIRING_TABLES if table.name == "blackhole_ports")
    await retention.remove_batch(tx, retention.RowBatch(table=table, client_id=0, start=99, end=100, before=100))


async def unlock_project(tx: Tx, world: World) -> None:
    await project_contents.lock(tx, world.instances.project_id, "a-task")
    await restore_stamp(tx, world)
    await project_contents.unlock(tx, world.instances.project_id, "a-task")


CHANGES: Mapping[str, Mapping[str, Change]] = {
    "tags": {
        "a tag is changed": lambda tx, w: save_tags(tx, w, LABELS | {"env": "prod"}),
        "a tag is added": lambda tx, w: save_tags(tx, w, LABELS | {"more": "x"}),
        "a tag is removed": lambda tx, w: save_tags(tx, w, {"env": "test"}),
        "a tag is patched": lambda tx, w: tags.patch(
            tx, instances.KIND, w.instances.place, w.instances.id, {"env": "prod"}
        ),
    },
    "attachments": {
        "a volume is attached": lambda tx, w: attachments.add(
            tx,
            Attachment(
                id="another", volume_id=w.free_volume.id, instance_id=w.instances.id, device="/dev/vdz", attached_at=1
            ),
        ),
        "an attachment gets its time": lambda tx, w: attachments.set_attached_at(tx, w.volume.id, 77),
        "a volume is detached": lambda tx, w: attachments.remove(tx, w.volume.id),
    },
    "addresses": {
        "a port gets an address": lambda tx, w: ports.add_address(
            tx, AssignedAddress(subnet_id=w.subnets.id, ip="10.0.0.99", port_id=w.ports.id)
        ),
    },
    "port_security_groups": {
        "a port gets a group": lambda tx, w: security_groups.add_to_port(tx, w.ports.id, [w.free_group.id]),
        "a port loses a group": lambda tx, w: security_groups.remove_from_port(tx, w.ports.id, [w.security_groups.id]),
        "a port loses its groups": lambda tx, w: security_groups.remove_all_from_port(tx, w.ports.id),
        "a group is deleted": lambda tx, w: security_groups.remove(tx, w.security_groups.id),
    },
    "blackhole_ports": {
        "an alarm is raised": lambda tx, w: ddos_profiles.add_blackhole(tx, a_blackhole(w)),
        "an alarm ends": lambda tx, w: ddos_profiles.end_blackhole(tx, ALL_CLIENTS, w.blackhole.id, "CLEAR", 99),
        "an old alarm is deleted": delete_old_alarm,
    },
    "instances": {
        "the revision is bumped": lambda tx, w: instances.bump_revision(tx, w.instances),
        "its placement group is deleted": lambda tx, w: placement_groups.remove(tx, w.placement_group.id),
        "its project is locked": lambda tx, w: project_contents.lock(tx, w.instances.project_id, "a-task"),
        "its project is unlocked": unlock_project,
    },
    "ports": {
        "a port is attached": lambda tx, w: ports.save(
            tx, w.free_port, replace(w.free_port, instance_id=w.instances.id, position=9)
        ),
        "a port is added": lambda tx, w: ports.add(tx, replace(w.ports, id="another", mac_address="another")),
        "a port is deleted": delete_port,
    },
    "floating_ips": {
        "a floating IP is added": lambda tx, w: floating_ips.add(
            tx, replace(w.floating_ips, id="another", floating_ip_address="192.0.2.250", fixed_ip_address="10.0.0.98")
        ),
        "a floating IP is deleted": lambda tx, w: floating_ips.remove(tx, w.floating_ips.id),
    },
    "security_groups": {
        "a group is renamed at the end of its task": lambda tx, w: security_groups.save_and_unlock(
            tx, w.security_groups, replace(w.security_groups, name="renamed")
        ),
    },
    "networks": {
        "the catalogue renames a network": lambda tx, w: catalogue_sync.upsert_and_retire_others(
            tx, networks.TABLE, networks.save, -1, [replace(w.networks, name="renamed")]
        ),
    },
    "ddos_profiles": {
        "a profile is added": add_profile,
        "a profile is deleted": lambda tx, w: ddos_profiles.remove(tx, w.ddos_profiles.id),
    },
}
"""Changes other than saving a record, by the table that they write."""
CASES = [(table, name) for table, changes in CHANGES.items() for name in changes]


@pytest.fixture
async def own(running: RunningCloud) -> AsyncIterator[Tenant]:
    """A tenant of one test."""
    async with new_tenant(running) as tenant:
        yield tenant


@pytest.fixture
async def world(own: Tenant) -> World:
    """An instance with a volume, tags, and a private port with a group and a protected floating IP."""
    placement_group = await a_placement_group(own)
    instance = await an_instance(
        own, labels=LABELS, placement_group_id=placement_group.id, outage_began_at=1, outage_ended_at=2
    )
    network, (subnet, *_) = await a_network(own)
    port = await a_port(own, subnet, instance, position=1, interface_name="inner")
    floating = await a_floating_ip(own, port)
    built: dict[str, Any] = {
        "volume": await a_volume(own, instance),
        "free_volume": await a_volume(own),
        "security_groups": await a_security_group(own, "inner", port),
        "free_group": await a_security_group(own, "another"),
        "free_port": await a_port(own),
        "ddos_profiles": await a_ddos_profile(own, floating.floating_ip_address),
        "blackhole": await add_blackhole(own, floating.floating_ip_address),
    }
    return World(
        instances=await read_instance(own, instance.id),
        ports=port,
        floating_ips=floating,
        networks=network,
        subnets=subnet,
        placement_group=placement_group,
        **built,
    )


async def add_blackhole(tenant: Tenant, ip: str) -> BlackholePort:
    """Raise an alarm that concerns whoever has the address."""
    port = BlackholePort(
        id=tenant.client_id << 32,
        client_id=ALL_CLIENTS,
        region_id=REGION,
        destination_ip=ip,
        alarm_state="ALARM",
        started_at=1,
    )
    await tenant.running.app_state.db.write(lambda tx: ddos_profiles.add_blackhole(tx, port))
    return port


async def read_instance(tenant: Tenant, instance_id: str) -> Instance:
    async with tenant.running.app_state.db.read() as tx:
        return await instances.require(tx, instance_id)


async def list_shown_columns(folder: Path) -> set[tuple[str, str]]:
    """Return the columns that the statement reads, as SQLite's compiler reports them, without row ids."""
    await (await open_database("", folder)).close()
    read: set[tuple[str, str]] = set()

    def authorize(action: int, table: str | None, column: str | None, *_: object) -> int:
        if action == sqlite3.SQLITE_READ and table and column and table != "json_each":
            read.add((table, column))
        return sqlite3.SQLITE_OK

    with sqlite3.connect(folder / "pileus.db") as database:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        database.set_authorizer(authorize)
        place = dict.fromkeys(("client_id", "project_id", "region_id"), 1)
        database.execute(instances.GET_WITH_DETAILS, {"id": "x", **place}).fetchall()
    return {(table, column) for table, column in read if table in tables}


def another_value(value: object) -> object:
    """Return another value of the same type; null for null or text that may be null."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    return "another" if value is None or isinstance(value, str) else [{"another": 1}]


async def test_each_table_that_an_instance_shows_has_changes_here(tmp_path: Path) -> None:
    tables = {table for table, _ in await list_shown_columns(tmp_path)}

    assert tables == SAVES.keys() | CHANGES.keys()


async def test_a_change_of_each_column_that_an_instance_shows_changes_its_stamp(
    own: Tenant, world: World, tmp_path: Path
) -> None:
    columns = [
        (table, column)
        for table, column in sorted(await list_shown_columns(tmp_path) - CONSTANT)
        if table in SAVES and column != "boot"
    ]
    unchanged = []
    for table, column in columns:
        if not await changes_stamp(own, world, lambda tx, _: save(tx, world, table, column)):  # noqa: B023  # called at once
            unchanged.append((table, column))

    assert len(columns) > 30
    assert unchanged == []


async def save(tx: Tx, world: World, table: str, column: str) -> None:
    record = getattr(world, table)
    # Ids of other records refer to nothing, which is allowed.
    value = None if column in ("instance_id", "port_id") else another_value(getattr(record, column))
    await SAVES[table](tx, record, replace(record, **{column: value}))


@pytest.mark.parametrize(("table", "name"), CASES)
async def test_a_change_changes_the_stamp(own: Tenant, world: World, table: str, name: str) -> None:
    assert await changes_stamp(own, world, CHANGES[table][name])


async def test_a_change_that_shows_nowhere_keeps_the_stamp(own: Tenant, world: World) -> None:
    async def change(tx: Tx, world: World) -> None:
        await ports.save(tx, world.ports, replace(world.ports, task_id="a-task"))
        await networks.save(tx, world.networks, replace(world.networks, task_id="a-task"))
        await instances.save(tx, world.instances, world.instances)
        await tags.save(tx, instances.KIND, world.instances.place, world.free_volume.id, {}, make_tags(LABELS.items()))

    assert not await changes_stamp(own, world, change)


async def test_two_transactions_give_different_stamps(own: Tenant) -> None:
    first, second = await an_instance(own), await an_instance(own)

    assert 0 < first.stamp != second.stamp > 0


async def test_a_transaction_finds_instances_as_it_has_saved_them(own: Tenant, world: World) -> None:
    instance = world.instances

    async def find(tx: Tx) -> list[Instance | None]:
        return [await instances.find(tx, instance.id), await instances.TABLE.find_by_id(tx, instance.id)]

    async def write(tx: Tx) -> list[list[Instance | None]]:
        renamed = await instances.save(tx, instance, replace(instance, name="renamed"))
        states = [[renamed, *await find(tx)]]
        bumped = await instances.bump_revision(tx, renamed)
        states.append([bumped, *await find(tx)])
        await placement_groups.remove(tx, world.placement_group.id)
        return [*states, await find(tx)]

    for first, *others in await own.running.app_state.db.write(write):
        assert others == [first] * len(others)


class _RollBackError(Exception):
    """Ends a transaction without a trace."""


async def changes_stamp(tenant: Tenant, world: World, change: Change) -> bool:
    """Return whether a change gives the instance another stamp; rolls the change back."""
    stamps: list[int] = []

    async def write(tx: Tx) -> None:
        await change(tx, world)
        stamps.append((await instances.TABLE.require_by_id(tx, world.instances.id)).stamp)
        raise _RollBackError

    with pytest.raises(_RollBackError):
        await tenant.running.app_state.db.write(write)
    return stamps[-1] != world.instances.stamp
