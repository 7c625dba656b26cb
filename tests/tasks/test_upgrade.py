"""Tasks that an earlier version has left unfinished are ended by this one, as that version would have ended them.

`previous_database.sql` is a database as the last version wrote it before the arguments of tasks had types: a client for
each way in which a task comes about, named after it, with a task that is new, begun or being undone. What its machines
were is in `previous_machines.sql`, and what that version itself made of both in `previous_outcome.txt`. Ids are written
short: `<1a>` is `0000001a-0000-4000-8000-000000000000`.
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pileus.app import make_driver, new_id
from pileus.initial_data import prepared_database
from pileus.settings import Settings
from pileus.tasks.engine import Engine
from pileus.tasks.operations import OPERATIONS
from tests.domain.builders import NOW
from tests.image_server import image_url
from tests.tasks.workers import Clock

HERE = Path(__file__).parent
SHORT, LONG = re.compile("<([0-9a-f]+)>"), re.compile("0*([0-9a-f]+)-0000-4000-8000-000000000000")
IMAGES = "http://images.invalid/"
EMPTY = re.compile(r'"\w+":\[\],?')
DAY = 86_400_000_000
NAMES = sorted(OPERATIONS)
ENDS = {"new": "FINISHED", "begun": "FINISHED", "undoing": "ERROR"}
"""How a task ends, by how far it had come."""
# What tells when, how often or by whom; and what is filled from the catalogue at each start.
UNTOLD = {"revision", "task_id", "task_state", "step", "undoing", "attempts", "lease_token", "lease_until", "machine"}
LEFT_OUT = {"schema_versions", "flavors", "usage_records", "settings", "counters"}
TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
LEFT = """
SELECT t.id, t.task_type, c.name,
    CASE WHEN t.undoing THEN 'undoing' WHEN t.state = 'NEW' THEN 'new' ELSE 'begun' END
FROM tasks t JOIN clients c ON c.id = t.client_id WHERE t.state IN ('NEW', 'RUNNING')
"""
Facts = dict[str, Any]
Contents = dict[str, dict[tuple[Any, ...], Facts]]
"""The rows of each table, by their keys."""


@dataclass(frozen=True, slots=True)
class LeftTask:
    """A task that the earlier version has left, and how far it had come."""

    id: str
    task_type: str
    story: str
    stage: str


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What was left, and what is there when nothing is left to do."""

    left: list[LeftTask]
    before: Contents
    after: Contents

    def ended(self, task: LeftTask) -> Facts:
        """A task as it is in the end."""
        return self.after["tasks"][task.id,]


def written(name: str) -> str:
    """A file of the earlier version's, ids spelled out, images at an address that answers."""
    text = (HERE / name).read_text("utf-8").replace(IMAGES, image_url(""))
    return SHORT.sub(lambda found: f"{found[1]:0>8}-0000-4000-8000-000000000000", text)


def restore(name: str, file: Path) -> None:
    """Make the database of a file again."""
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(written(name))


def contents(file: Path, known: Contents | None = None) -> Contents:
    """All that is in a file; of tables and columns only those `known` from before, if that is named."""
    with closing(sqlite3.connect(file)) as connection:
        connection.row_factory = sqlite3.Row
        tables = [table for (table,) in connection.execute(TABLES) if known is None or table in known]
        return {table: dict(_rows(connection, table)) for table in tables if table not in LEFT_OUT}


def _rows(connection: sqlite3.Connection, table: str) -> Iterator[tuple[tuple[Any, ...], Facts]]:
    columns = connection.execute("SELECT name, pk FROM pragma_table_info(?)", (table,)).fetchall()
    key = [name for name, place in columns if place]
    for row in connection.execute(f"SELECT * FROM {table}"):
        yield tuple(row[name] for name in key), dict(row)


def changes(before: Contents, after: Contents) -> Iterator[str]:
    """What has come, gone and changed, a line each, but for times and locks."""
    for table, old in before.items():
        new = after.get(table, {})
        columns = dict.fromkeys(name for facts in old.values() for name in facts)
        for key in old.keys() | new.keys():
            said = _said(old.get(key), new.get(key), columns)
            if said:
                line = f"{table} {' '.join(map(str, key))}: {said}"
                yield LONG.sub(r"<\1>", EMPTY.sub("", line))


def _said(old: Facts | None, new: Facts | None, columns: dict[str, None]) -> str:
    if new is None:
        return "gone"
    told = [name for name in columns if name not in UNTOLD and not name.endswith("_at")]
    fresh, old = [] if old else ["new"], old or {}
    return ", ".join(fresh + [f"{name} = {new[name]!r}" for name in told if old.get(name) != new[name]])


async def carried_out(data: Path) -> None:
    """Open what is in a folder as the program does, and work until nothing is left to do."""
    settings = Settings(data=data, image_sources="any", log_level="error")
    async with prepared_database(settings, only=True) as home:
        driver = make_driver(settings, home.catalogue)
        await Engine(home.db, OPERATIONS, driver, home.catalogue, Clock(NOW + DAY), new_id).run_until_idle()


@pytest.fixture(scope="module")
async def upgrade(tmp_path_factory: pytest.TempPathFactory) -> Upgrade:
    """The earlier version's database, when this version has done what was left to do."""
    data = tmp_path_factory.mktemp("upgrade")
    database, machines = data / "pileus.db", data / "simulated.db"
    restore("previous_database.sql", database)
    restore("previous_machines.sql", machines)
    with closing(sqlite3.connect(database)) as connection:
        left = [LeftTask(*row) for row in connection.execute(LEFT)]
    before, world = contents(database), contents(machines)
    await carried_out(data)
    after, world_after = contents(database, before), contents(machines, world)
    return Upgrade(left, before | _simulated(world), after | _simulated(world_after))


def _simulated(world: Contents) -> Contents:
    return {f"simulated {table}": rows for table, rows in world.items()}


async def test_every_type_of_task_was_left_by_the_earlier_version(upgrade: Upgrade) -> None:
    assert {task.task_type for task in upgrade.left if task.stage == "new"} == set(OPERATIONS)
    assert {task.stage for task in upgrade.left} == set(ENDS)


@pytest.mark.parametrize("name", NAMES)
async def test_tasks_of_the_earlier_version_come_to_their_end(upgrade: Upgrade, name: str) -> None:
    left = [task for task in upgrade.left if task.task_type == name]

    ends = {task.story: (upgrade.ended(task)["state"], upgrade.ended(task)["error"]) for task in left}

    assert ends == {task.story: (ENDS[task.stage], "injected" if task.stage == "undoing" else None) for task in left}


async def test_nothing_stays_locked_by_a_task_of_the_earlier_version(upgrade: Upgrade) -> None:
    held = [
        (table, key)
        for table, rows in upgrade.after.items()
        for key, facts in rows.items()
        if facts.get("task_id") or facts.get("task_state")
    ]

    assert held == []


async def test_tasks_of_the_earlier_version_do_what_that_version_would_have_done(upgrade: Upgrade) -> None:
    done = sorted(changes(upgrade.before, upgrade.after))

    assert done == (HERE / "previous_outcome.txt").read_text("utf-8").splitlines()
