"""Counts of records: exact after races and migrations, checked and corrected."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

import pileus.store
from pileus.domain.account.projects import Project
from pileus.domain.errors import Conflict
from pileus.domain.network.networks import Network
from pileus.domain.network.ports import AssignedAddress
from pileus.domain.places import Place
from pileus.store import project_contents, region_drivers, resource_counts, tasks
from pileus.store.account import clients, projects
from pileus.store.count_changes import CountKey
from pileus.store.count_checks import WrongCount, correct_counts, find_wrong_counts
from pileus.store.database import Database, Tx
from pileus.store.network import addresses, networks, ports
from pileus.store.region_drivers import RegionDriver
from pileus.store.resource_counts import Counts
from pileus.store.savepoints import undo_on_problem
from pileus.store.schema import load_migrations, open_database
from pileus.store.table_counts import COUNTS
from tests.counted_tables import TABLES
from tests.databases import BACKENDS, database_url
from tests.store.test_schema import new_database
from tests.tasks.db_snapshot import Columns, load_columns

TENANTS = (1, 2, 17)
"""Tenants 1 and 17 share a shard."""


MIGRATION = 17
STORE = Path(pileus.store.__file__).parent
CHANGE = re.compile(
    r"(?:INSERT INTO|DELETE FROM|UPDATE) (?P<table>\w+)(?: AS \w+)?(?:\s+SET (?P<fields>.*?)(?:\s+WHERE|$))?", re.DOTALL
)


@pytest.fixture
async def databases(url: str, tmp_path: Path) -> AsyncIterator[Sequence[Database]]:
    """The same database, opened twice as two servers open it, with tenants and a network."""
    pair = [await open_database(url, tmp_path) for _ in range(2)]
    await pair[0].write(add_tenants)
    yield pair
    for db in pair:
        await db.close()


async def add_tenants(tx: Tx) -> None:
    for client_id in TENANTS:
        await clients.add(tx, client_id, f"tenant {client_id}", 0)
        await projects.add(tx, Project(id=client_id, client_id=client_id, name="default", created_at=0))
    await networks.add(tx, Network(id="n", name="n", region_id=1, created_at=0, updated_at=0))


async def add_and_change(db: Database, other: Database, table: str, client_id: int, name: str) -> None:
    """Add a record, then change it by two servers at once, and delete one of two records by both at once."""
    mapper, make, changes = TABLES[table]

    async def change(tx: Tx) -> None:
        existing = await mapper.find_one(tx, "id = :id", id=name)
        assert existing is not None
        if mapper is tasks.TABLE:
            await tasks.save_progress(tx, existing, 1, **changes)
        else:
            await mapper.save(tx, existing, replace(existing, **changes))

    await db.write(lambda tx: mapper.add(tx, make(client_id, name)))
    await asyncio.gather(db.write(change), other.write(change))
    if name.endswith("0"):
        await asyncio.gather(*(server.write(lambda tx: mapper.remove(tx, name)) for server in (db, other)))


def test_every_counted_table_is_tested() -> None:
    assert TABLES.keys() | {"addresses"} == COUNTS.keys()


def test_no_statement_changes_counted_records_past_the_row_mapper() -> None:
    """Records come, go and change their counted fields by `Table` alone, or by a statement that notes the change."""
    past = [
        (path.name, match[0])
        for path in STORE.rglob("*.py")
        if path.name != "catalogue_id_migration.py"
        for match in CHANGE.finditer(path.read_text("utf-8"))
        if match["table"] in COUNTS and changes_counts(match["table"], match["fields"])
    ]

    assert past == []


def changes_counts(table: str, assignments: str | None) -> bool:
    """Return whether a statement inserts or deletes records, or assigns a field that counts depend on."""
    fields = {field for count in COUNTS[table] for field in count.fields}
    return assignments is None or not fields.isdisjoint(re.findall(r"(\w+) = ", assignments))


@pytest.mark.parametrize("table", TABLES)
async def test_counts_are_exact_after_concurrent_changes(databases: Sequence[Database], table: str) -> None:
    db, other = databases

    await asyncio.gather(
        *(
            add_and_change(*((db, other) if number % 2 else (other, db)), table, client_id, f"{client_id}-{number}")
            for client_id in TENANTS
            for number in range(4)
        )
    )

    assert await find_wrong_counts(db) == []
    async with db.read() as tx:
        rows = await tx.all("SELECT scope, sum(value) FROM resource_counts GROUP BY scope, name, part")
        records = await tx.one(f"SELECT count(*) FROM {table} WHERE client_id IS NOT NULL")
    assert records == (9,)
    assert max(int(value) for _, value in rows) >= (0 if table in {"ports", "tasks"} else 9)


async def test_a_part_of_a_transaction_that_fails_leaves_neither_records_nor_counts(
    databases: Sequence[Database],
) -> None:
    mapper, make, _ = TABLES["volumes"]

    async def add_and_fail(tx: Tx, name: str) -> None:
        async with undo_on_problem(tx):
            await mapper.add(tx, make(1, name))
            raise Conflict(name)

    async def work(tx: Tx) -> None:
        await mapper.add(tx, make(1, "before"))
        for name in ("undone", "undone too"):
            with pytest.raises(Conflict):
                await add_and_fail(tx, name)
        async with undo_on_problem(tx):
            await mapper.add(tx, make(1, "after"))

    await databases[0].write(work)

    async with databases[1].read() as tx:
        assert {row[0] for row in await tx.all("SELECT id FROM volumes")} == {"before", "after"}
    assert await find_wrong_counts(databases[0]) == []


async def test_addresses_in_use_are_exact_after_concurrent_changes(databases: Sequence[Database]) -> None:
    mapper, make, _ = TABLES["subnets"]
    subnet = make(1, "s-1")
    await databases[0].write(partial(mapper.add, record=subnet))

    async def use_and_release(number: int) -> None:
        address = AssignedAddress(subnet_id="s-1", ip=f"10.0.0.{number}")
        release = partial(ports.ADDRESSES.remove_all, where="ip = :ip", ip=address.ip)
        await databases[number % 2].write(partial(ports.add_address, address=address))
        if number % 3 == 0:
            await asyncio.gather(*(server.write(release) for server in databases))

    await asyncio.gather(*map(use_and_release, range(1, 25)))

    assert await find_wrong_counts(databases[0]) == []
    async with databases[0].read() as tx:
        assert await addresses.count_in_use_by_subnet(tx, ["s-1"]) == {"s-1": 16}


async def test_the_count_of_addresses_knows_the_transaction_and_leaves_out_the_gateway(
    databases: Sequence[Database],
) -> None:
    mapper, make, _ = TABLES["subnets"]
    subnet = replace(make(1, "s-1"), gateway_ip="10.0.0.1")

    async def write(tx: Tx) -> dict[str, int]:
        await mapper.add(tx, subnet)
        for ip in ("10.0.0.1", "10.0.0.2", "10.0.0.3"):
            await ports.add_address(tx, AssignedAddress(subnet_id="s-1", ip=ip))
        return await addresses.count_in_use_by_subnet(tx, ["s-1"])

    in_transaction = await databases[0].write(write)
    async with databases[1].read() as tx:
        assert await addresses.count_in_use_by_subnet_of_network(tx, "n") == in_transaction == {"s-1": 2}


async def test_the_counts_of_a_subnet_go_with_it(databases: Sequence[Database]) -> None:
    mapper, make, _ = TABLES["subnets"]
    await databases[0].write(partial(mapper.add, record=make(1, "s-1")))
    await databases[0].write(partial(ports.add_address, address=AssignedAddress(subnet_id="s-1", ip="10.0.0.2")))

    async def remove(tx: Tx) -> None:
        await ports.ADDRESSES.remove_all(tx, "subnet_id = 's-1'")
        await mapper.remove(tx, "s-1")

    await databases[0].write(remove)
    async with databases[0].read() as tx:
        assert await tx.one("SELECT count(*) FROM resource_counts WHERE scope = 'subnet'") == (0,)


async def test_the_counts_of_a_project_and_of_a_tenant_go_with_them(databases: Sequence[Database]) -> None:
    db, _ = databases
    mapper, make, _ = TABLES["networks"]

    async def delete(tx: Tx) -> None:
        await project_contents.remove(tx, TENANTS[0])
        await clients.save_deletion(tx, TENANTS[0], 1)

    await db.write(lambda tx: region_drivers.save(tx, RegionDriver(region_id=1, driver="simulated", place="")))
    for client_id in TENANTS:
        await db.write(partial(mapper.add, record=make(client_id, f"n-{client_id}")))
    await db.write(lambda tx: mapper.remove(tx, f"n-{TENANTS[1]}"))
    await db.write(delete)

    async with db.read() as tx:
        rows = await tx.all("SELECT DISTINCT owner_id FROM resource_counts WHERE scope IN ('project', 'tenant')")
    assert sorted(owner_id for (owner_id,) in rows) == [*TENANTS[1:]]
    assert await find_wrong_counts(db) == []


async def test_transactions_that_change_many_counts_in_different_orders_do_not_deadlock(
    databases: Sequence[Database],
) -> None:
    async def add_all(tables: Sequence[str], client_id: int, prefix: str, tx: Tx) -> None:
        for table in tables:
            mapper, make, _ = TABLES[table]
            await mapper.add(tx, make(client_id, f"{prefix}{table}"))

    attempts = 0

    async def count_attempts(tables: Sequence[str], client_id: int, prefix: str, tx: Tx) -> None:
        nonlocal attempts
        attempts += 1
        await add_all(tables, client_id, prefix, tx)

    orders = (list(TABLES), list(reversed(TABLES)))
    await asyncio.gather(
        *(
            db.write(partial(count_attempts, orders[number % 2], client_id, f"{client_id}-{number}-{index}-"))
            for number in range(4)
            for index, db in enumerate(databases)
            for client_id in TENANTS
        )
    )

    assert attempts == 4 * len(databases) * len(TENANTS)
    assert await find_wrong_counts(databases[0]) == []


async def test_a_change_that_fails_counts_nothing(databases: Sequence[Database]) -> None:
    mapper, make, _ = TABLES["volumes"]

    async def fail(tx: Tx) -> None:
        await mapper.add(tx, make(1, "v"))
        raise Conflict("no")

    for _ in range(2):
        with pytest.raises(Conflict):
            await databases[0].write(fail)
    await databases[0].write(lambda tx: TABLES["snapshots"][0].add(tx, TABLES["snapshots"][1](1, "s")))

    async with databases[0].read() as tx:
        counts = await resource_counts.list_of_tenant(tx, 1, 1)
    assert counts == {("volume_snapshots_count", ""): 1, ("volume_snapshots_size", ""): 10}


async def test_a_transaction_reads_the_counts_that_it_changes(databases: Sequence[Database]) -> None:
    mapper, make, _ = TABLES["instances"]

    async def add_two(tx: Tx) -> tuple[Counts, Counts]:
        await mapper.add(tx, make(1, "i-1"))
        await mapper.add_all(tx, [replace(make(1, "i-2"), host="rack-1"), make(17, "i-3")])
        return await resource_counts.list_of_tenant(tx, 1, 1), await resource_counts.list_of_all_tenants(tx)

    own, all_together = await databases[0].write(add_two)

    assert own == {("servers", "g1-standard-1-2"): 2}
    assert all_together == {
        ("servers", "g1-standard-1-2"): 3,
        ("host_load", "rack-1"): 1,
        ("instance_statuses", "ACTIVE"): 3,
    }
    async with databases[1].read() as tx:
        assert await resource_counts.list_of_all_tenants(tx, 1) == all_together
        assert await resource_counts.list_of_all_tenants(tx, 2) == {}


async def test_the_count_of_a_project_is_not_shown_to_another_tenant(databases: Sequence[Database]) -> None:
    mapper, make, _ = TABLES["volumes"]
    await databases[0].write(lambda tx: mapper.add(tx, make(1, "v")))

    async with databases[0].read() as tx:
        own = await resource_counts.count_of_project(tx, Place(1, 1, 1), "volumes")
        foreign = await resource_counts.count_of_project(tx, Place(2, 1, 1), "volumes")

    assert (own, foreign) == (1, 0)


async def test_wrong_counts_are_found_and_corrected_while_others_write(databases: Sequence[Database]) -> None:
    db, other = databases
    mapper, make, _ = TABLES["volumes"]
    for number in range(3):
        await db.write(partial(mapper.add, record=make(1, f"v-{number}")))
    await db.write(lambda tx: tx.run("UPDATE resource_counts SET value = 7 WHERE name = 'volume_size'"))
    await db.write(lambda tx: tx.run("DELETE FROM resource_counts WHERE name = 'volumes'"))

    wrong = await find_wrong_counts(db)
    await asyncio.gather(
        correct_counts(db, wrong),
        *(other.write(partial(mapper.add, record=make(1, f"w-{number}"))) for number in range(5)),
    )

    assert wrong == [
        WrongCount(CountKey("tenant", 1, 1, "volume_size", ""), 7, 30),
        WrongCount(CountKey("project", 1, 1, "volumes", ""), 0, 3),
    ]
    assert await find_wrong_counts(db) == []
    async with db.read() as tx:
        assert (await resource_counts.list_of_tenant(tx, 1, 1))["volume_size", ""] == 80


async def test_the_migration_counts_what_exists(empty_url: str, tmp_path: Path) -> None:
    db = new_database(empty_url, tmp_path)
    await db.migrate([migration for migration in load_migrations() if migration[0] < MIGRATION])
    await db.write(partial(add_rows_of_the_previous_version, await load_columns(db)))

    await db.migrate(load_migrations())

    assert await find_wrong_counts(db) == []
    async with db.read() as tx:
        rows = await tx.all("SELECT DISTINCT scope, name FROM resource_counts WHERE value > 0")
    await db.close()
    declared = {(count.scope.value, count.name) for table in TABLES.keys() - LATER_TABLES for count in COUNTS[table]}
    assert {tuple(row) for row in rows} == declared | {("subnet", "1-0")}


LATER_TABLES = {"load_balancers", "listeners", "pools", "l7_policies", "secrets", "file_shares"}
"""The tables that later migrations add."""


async def add_rows_of_the_previous_version(columns: Columns, tx: Tx) -> None:
    """Insert two records of each tenant in each table, without the columns that the table does not have yet."""
    await tx.run(
        "INSERT INTO networks (id, region_id, name, type, mtu, external, shared, is_default, retired,"
        " port_security_enabled, created_at, updated_at, revision)"
        " VALUES ('n', 1, 'n', 'vlan', 1500, 1, 0, 0, 0, 1, 0, 0, 1)"
    )
    for client_id in TENANTS:
        await clients.add(tx, client_id, f"tenant {client_id}", 0)
        await projects.TABLE.add(tx, Project(id=client_id, client_id=client_id, name="default", created_at=0))
        for table in TABLES.keys() - LATER_TABLES:
            mapper, make, changes = TABLES[table]
            for number in range(2):
                record = replace(make(client_id, f"{client_id}-{number}"), **(changes if number else {}))
                values = mapper.column_values(tx, record)
                names = [name for name in values if name in columns[table]]
                marks = ", ".join(f":{name}" for name in names)
                await tx.run(
                    f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})",
                    **{name: values[name] for name in names},
                )
    await tx.run("INSERT INTO addresses (subnet_id, ip) VALUES ('1-0', '10.0.0.2'), ('1-0', '10.0.0.3')")


@pytest.fixture(params=BACKENDS)
def empty_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a database without tables; empty for SQLite."""
    with database_url(request.param) as address:
        yield address
