"""Tasks that a previous version has left unfinished end as that version would have ended them.

`previous_database.sql` is a database of the last version in which the arguments of tasks had no types. It has a client
for each scenario, with a task that is new, begun or being undone. `previous_machines.sql` is the database of the
simulated driver, and `previous_outcome.txt` lists the changes that the previous version itself made to both when it
ended the tasks; only the created resources of tasks on security groups, and the column `external` of ports, are those
of this version. Ids are abbreviated:
`<1a>` is `0000001a-0000-4000-8000-000000000000`. Ids of the catalogue have version 5, as that
version made them; the databases are compared after their migration.
"""

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pileus.domain.ids import UUID_TEXT, IdMaker, canonical_id
from pileus.drivers.protocols.regions import RegionDrivers
from pileus.drivers.simulated.former_file import FORMER_NETWORK_TABLES, import_former_file
from pileus.initial_data import open_seeded_database
from pileus.region_drivers import start_region_drivers
from pileus.settings import Settings
from pileus.store.count_checks import WrongCount, find_wrong_counts
from pileus.store.schema import open_database
from pileus.store.simulated_cloud import SimulatedCloudStore
from pileus.tasks.clocks import CloudClock
from pileus.tasks.engine import Engine
from pileus.tasks.load_balancers import listeners, load_balancers, pools
from pileus.tasks.operations import OPERATIONS
from pileus.tasks.storage import file_shares
from tests.domain.builders import NOW
from tests.image_server import image_url
from tests.tasks.workers import Clock

HERE = Path(__file__).parent
SHORT, LONG = re.compile("<([0-9a-f]+)>"), re.compile("0*([0-9a-f]+)-0000-4000-8000-000000000000")
IMAGES = "http://images.invalid/"
EMPTY = re.compile(r'"\w+":\[\],?')
NEWER_FIELDS = {"floating_ips": re.compile(r',"network_id":"[^"]*"')}
"""Fields, by table of the simulated driver, that the previous version did not have."""
DAY = 86_400_000_000
FAMILIES = (file_shares, listeners, load_balancers, pools)
NEWER_TYPES = {operation.task_type.name for family in FAMILIES for operation in family.OPERATIONS}
NEWER_TYPES |= {"create_secret", "delete_secret"}
"""Task types that the previous version did not have."""
NAMES = sorted(set(OPERATIONS) - NEWER_TYPES)
FINAL_STATES = {"new": "FINISHED", "begun": "FINISHED", "undoing": "ERROR"}
"""The final state of a task by its progress."""
# Columns and tables that are not compared: locks, progress, counters, and copies of the catalogue.
IGNORED_COLUMNS = {
    "revision",
    "stamp",
    "task_id",
    "task_state",
    "step",
    "undoing",
    "attempts",
    "interrupted",
    "lease_token",
    "lease_until",
    "machine",
}
IGNORED_TABLES = {
    "schema_versions",
    "flavors",
    "usage_records",
    "simulated_settings",
    "counters",
    "resource_counts",
    "region_drivers",
    "own_cell",
    "account_revisions",
}
TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
UNFINISHED_TASKS = """
SELECT t.id, t.task_type, c.name,
    CASE WHEN t.undoing THEN 'undoing' WHEN t.state = 'NEW' THEN 'new' ELSE 'begun' END
FROM tasks t JOIN clients c ON c.id = t.client_id WHERE t.state IN ('NEW', 'RUNNING')
"""
Row = dict[str, Any]
Contents = dict[str, dict[tuple[Any, ...], Row]]
"""The rows of each table by their primary keys."""


@dataclass(frozen=True, slots=True)
class UnfinishedTask:
    """A task that the previous version has left: its scenario, and its progress (new, begun or undoing)."""

    id: str
    task_type: str
    scenario: str
    progress: str


@dataclass(frozen=True, slots=True)
class Upgrade:
    """The migrated contents of both databases before and after this version has ended the unfinished tasks."""

    unfinished: list[UnfinishedTask]
    before: Contents
    after: Contents
    wrong_counts: list[WrongCount]

    def ended(self, task: UnfinishedTask) -> Row:
        """Return the row of the task after its end."""
        return self.after["tasks"][task.id,]


def read_file(name: str) -> str:
    """Return a file of the previous version, with full ids and the address of this test's image server."""
    text = (HERE / name).read_text("utf-8").replace(IMAGES, image_url(""))
    return SHORT.sub(lambda match: f"{match[1]:0>8}-0000-4000-8000-000000000000", text)


def restore(name: str, file: Path) -> None:
    """Create a database from a file of the previous version."""
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(read_file(name))


def load_contents(file: Path, before: Contents | None = None) -> Contents:
    """Return the contents of a database; only tables that are in `before`, if it is given."""
    with closing(sqlite3.connect(file)) as connection:
        connection.row_factory = sqlite3.Row
        tables = [table for (table,) in connection.execute(TABLES) if before is None or table in before]
        return {table: dict(_rows(connection, table)) for table in tables if table not in IGNORED_TABLES}


def _rows(connection: sqlite3.Connection, table: str) -> Iterator[tuple[tuple[Any, ...], Row]]:
    columns = connection.execute("SELECT name, pk FROM pragma_table_info(?)", (table,)).fetchall()
    key = [name for name, key_position in columns if key_position]
    for row in connection.execute(f"SELECT * FROM {table}"):
        yield tuple(row[name] for name in key), dict(row)


def with_former_names(contents: Contents) -> Contents:
    """Return the contents with the simulated driver's tables and columns as the previous version named them."""
    renamed: Contents = {table.replace("simulated_", "simulated "): {} for table in contents}
    for table, key, row in ((table, key, row) for table, rows in contents.items() for key, row in rows.items()):
        name, former_key, fields = table.replace("simulated_", "simulated "), key, row
        if table == "simulated_machines":
            fields = {**row, "machine": row["spec"]}
            del fields["spec"], fields["change_number"]
        elif table == "simulated_network_parts":
            name, former_key, fields = _former_network_part(row)
        renamed.setdefault(name, {})[former_key] = fields
    return renamed


def _former_network_part(part: Row) -> tuple[str, tuple[Any, ...], Row]:
    name = next(name for name, kind in FORMER_NETWORK_TABLES.items() if kind == part["kind"])
    facts = NEWER_FIELDS[name].sub("", part["spec"]) if name in NEWER_FIELDS else part["spec"]
    return f"simulated {name}", (part["id"],), {"id": part["id"], "parent": part["parent_id"], "facts": facts}


def changes(before: Contents, after: Contents) -> Iterator[str]:
    """Return a line for each row that was added, removed or changed; times and locks are ignored."""
    for table, old in before.items():
        new = after.get(table, {})
        columns = dict.fromkeys(name for row in old.values() for name in row)
        for key in old.keys() | new.keys():
            change = _change(old.get(key), new.get(key), columns)
            if change:
                line = f"{table} {' '.join(map(str, key))}: {change}"
                yield LONG.sub(r"<\1>", EMPTY.sub("", line))


def _change(old: Row | None, new: Row | None, columns: dict[str, None]) -> str:
    if new is None:
        return "gone"
    compared = [name for name in columns if name not in IGNORED_COLUMNS and not name.endswith("_at")]
    added, old = [] if old else ["new"], old or {}
    return ", ".join(added + [f"{name} = {new[name]!r}" for name in compared if old.get(name) != new[name]])


async def run_engine(data: Path) -> None:
    """Open a data directory as the program does, and run the engine until it is idle."""
    settings = Settings(data=data, image_sources="any", log_level="error")
    async with open_seeded_database(settings, exclusive=True) as home:
        clock = CloudClock(Clock(NOW + DAY))
        store = SimulatedCloudStore(home.db)
        drivers = RegionDrivers(await start_region_drivers(home.drivers, settings, home.catalogue, store, clock))
        new_id = IdMaker(clock.now, os.urandom).new_id
        await Engine(home.db, OPERATIONS, drivers, home.catalogue, clock, new_id).run_until_idle()


@pytest.fixture(scope="module")
async def upgrade(tmp_path_factory: pytest.TempPathFactory) -> Upgrade:
    """Run the tasks in the databases of the previous version to their end."""
    data = tmp_path_factory.mktemp("upgrade")
    database, machines = data / "pileus.db", data / "simulated.db"
    restore("previous_database.sql", database)
    restore("previous_machines.sql", machines)
    with closing(sqlite3.connect(database)) as connection:
        unfinished = [UnfinishedTask(*row) for row in connection.execute(UNFINISHED_TASKS)]
    db = await open_database("", data)
    await import_former_file(SimulatedCloudStore(db), machines)
    wrong_counts = await find_wrong_counts(db)
    await db.close()
    before = load_contents(database)
    await run_engine(data)
    after = load_contents(database, before)
    db = await open_database("", data)
    wrong_counts += await find_wrong_counts(db)
    await db.close()
    return Upgrade(unfinished, with_former_names(before), with_former_names(after), wrong_counts)


async def test_the_previous_version_left_a_task_of_every_type(upgrade: Upgrade) -> None:
    assert {task.task_type for task in upgrade.unfinished if task.progress == "new"} == set(NAMES)
    assert {task.progress for task in upgrade.unfinished} == set(FINAL_STATES)


@pytest.mark.parametrize("name", NAMES)
async def test_tasks_of_the_previous_version_end(upgrade: Upgrade, name: str) -> None:
    unfinished = [task for task in upgrade.unfinished if task.task_type == name]

    ends = {task.scenario: (upgrade.ended(task)["state"], upgrade.ended(task)["error"]) for task in unfinished}

    assert ends == {
        task.scenario: (FINAL_STATES[task.progress], "injected" if task.progress == "undoing" else None)
        for task in unfinished
    }


async def test_the_migration_and_the_tasks_of_the_previous_version_count_what_there_is(upgrade: Upgrade) -> None:
    assert upgrade.wrong_counts == []


async def test_tasks_of_the_previous_version_unlock_everything(upgrade: Upgrade) -> None:
    locked = [
        (table, key)
        for table, rows in upgrade.after.items()
        for key, row in rows.items()
        if row.get("task_id") or row.get("task_state")
    ]

    assert locked == []


async def test_tasks_of_the_previous_version_change_what_it_would_have_changed(upgrade: Upgrade) -> None:
    lines = sorted(changes(upgrade.before, upgrade.after))

    outcome = UUID_TEXT.sub(lambda match: canonical_id(match[0]), (HERE / "previous_outcome.txt").read_text("utf-8"))
    assert lines == sorted(outcome.splitlines())
