"""Tasks that end in the transaction that starts or claims them, on SQLite."""

import asyncio
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from pileus.domain.tasks import SlotClass, Task, queue_name
from pileus.store import counters, open_transactions, tasks
from pileus.store.database import Tx
from pileus.store.open_transactions import WouldWaitError
from pileus.store.schema import open_database
from pileus.store.sqlite import Sqlite
from pileus.tasks import engine as engine_module
from pileus.tasks.engine import Engine
from pileus.tasks.operation import Step, TaskContext
from tests.simulated_cloud import a_driver
from tests.tasks.workers import NoArgs, Workbench, a_task, final_error, retryable_error

Context = TaskContext[NoArgs]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Workbench]:
    """A workbench on a file."""
    db = await open_database("", tmp_path)
    yield Workbench(db, a_driver(db))
    await db.close()


def committed_states(folder: Path) -> list[str]:
    """Return what another process sees."""
    with sqlite3.connect(folder / "pileus.db") as connection:
        return [row[0] for row in connection.execute("SELECT state FROM tasks ORDER BY created_at")]


async def count_a_write(ctx: Context) -> None:
    """Write in a step."""
    await ctx.write(lambda tx: counters.increment(tx, "step"))


def counting_step(bench: Workbench) -> Step[NoArgs]:
    """Return a step that writes to the database and then to the journal."""

    async def do(ctx: Context) -> None:
        await count_a_write(ctx)
        await bench.journal.record("step")

    return Step("step", do)


async def perform(bench: Workbench, *tasks: Task, step: Step[NoArgs] | None = None, **changes: Any) -> list[Task]:
    """Perform tasks by an instant engine, and return them as they are saved."""
    await bench.add_tasks(*tasks)
    operation = bench.journal.operation(step or counting_step(bench))
    await bench.engine(operation, is_instant=True, **changes).run_until_idle()
    return [await bench.reload(task) for task in tasks]


async def test_a_task_ends_in_the_transaction_that_claims_it(bench: Workbench, tmp_path: Path) -> None:
    seen: list[str] = []

    async def look() -> None:
        seen.extend(committed_states(tmp_path))

    bench.journal.callbacks["step"] = look
    ended: list[tuple[list[str], str]] = []

    (task,) = await perform(
        bench, a_task(), on_task_end=lambda _, state: ended.append((committed_states(tmp_path), state))
    )

    assert seen == ["NEW"]
    assert (task.state, task.step, task.lease_token) == ("FINISHED", 1, None)
    assert ended == [(["FINISHED"], "FINISHED")]
    assert await bench.end_counts() == {"done": 1, "step": 1}


async def test_several_tasks_end_in_one_transaction_and_tenants_take_turns(bench: Workbench, tmp_path: Path) -> None:
    tasks = [a_task(client_id=client_id, queue=queue_name(client_id, 1)) for client_id in (1, 1, 1, 2, 2)]
    ended: list[Task] = []
    counts: list[Counter[str]] = []

    def note(task: Task, _: str) -> None:
        ended.append(task)
        counts.append(Counter(committed_states(tmp_path)))

    await perform(bench, *tasks, on_task_end=note)

    assert [task.client_id for task in ended] == [1, 2, 1, 2, 1]
    assert counts == [Counter(FINISHED=5)] * 5


async def test_work_that_has_joined_a_transaction_reads_once(bench: Workbench) -> None:
    async def read(tx: Tx) -> int:
        return await counters.increment(tx, "read")

    async def read_twice(tx: Tx) -> list[int]:
        return [await open_transactions.read_once_joined("counter", lambda: read(tx)) for _ in range(2)]

    joined = [
        await bench.db.write(lambda tx: open_transactions.run_joined(tx, lambda: read_twice(tx))) for _ in range(2)
    ]

    assert joined == [[1, 1], [2, 2]]
    assert await bench.db.write(read_twice) == [3, 4]


async def test_a_task_that_waits_is_performed_step_by_step(bench: Workbench) -> None:
    async def do(ctx: Context) -> None:
        await count_a_write(ctx)
        await bench.journal.record("step")
        await asyncio.sleep(0)

    (task,) = await perform(bench, a_task(), step=Step("step", do))

    assert task.state == "FINISHED"
    assert bench.journal.lines == ["step", "step", "done"]
    assert await bench.end_counts() == {"done": 1, "step": 1}


async def test_a_wait_on_the_clock_of_the_cloud_does_not_even_begin(bench: Workbench) -> None:
    problems: list[Exception] = []

    async def do(_: Context) -> None:
        if problems:
            return
        try:
            await bench.cloud_clock.sleep(1)
        except WouldWaitError as problem:
            problems.append(problem)
            raise

    (task,) = await perform(bench, a_task(), step=Step("step", do))

    assert len(problems) == 1
    assert task.state == "FINISHED"


async def test_a_task_that_takes_long_is_performed_step_by_step(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_transactions, "LONGEST_SECONDS", -1)

    (task,) = await perform(bench, a_task())

    assert task.state == "FINISHED"
    assert bench.journal.lines == ["step", "done"]
    assert await bench.end_counts() == {"done": 1, "step": 1}


async def test_nothing_remains_of_a_write_that_fails_although_its_step_goes_on(bench: Workbench) -> None:
    async def write_half(tx: Tx) -> None:
        await counters.increment(tx, "half")
        raise ValueError

    async def do(ctx: Context) -> None:
        with suppress(ValueError):
            await ctx.write(write_half)
        await bench.journal.record("step")

    (task,) = await perform(bench, a_task(), step=Step("step", do))

    assert task.state == "FINISHED"
    assert bench.journal.lines == ["step", "step", "done"]
    assert await bench.end_counts() == {"done": 1}


async def test_the_writes_of_a_step_need_no_savepoint_and_no_look_at_the_lease(bench: Workbench) -> None:
    assert isinstance(bench.db, Sqlite)
    statements: list[str] = []
    bench.db._writer.set_trace_callback(statements.append)  # noqa: SLF001  # SQLite says so of a connection only

    await perform(bench, a_task())

    assert not [statement for statement in statements if statement.startswith("SAVEPOINT")]
    assert not [statement for statement in statements if "SET lease_until" in statement]


async def test_a_failure_is_handled_step_by_step(bench: Workbench) -> None:
    bench.journal.fail("step", retryable_error(), retryable_error())

    (task,) = await perform(bench, a_task())

    assert (task.state, task.attempts, bench.journal.lines) == ("RUNNING", 1, ["step", "step"])
    await bench.run_with_retries(bench.engine(bench.journal.operation(counting_step(bench)), is_instant=True))
    assert (await bench.reload(task)).state == "FINISHED"


async def test_a_final_failure_ends_only_its_own_task(bench: Workbench) -> None:
    bench.journal.fail("step", final_error(), final_error())

    tasks = await perform(bench, *(a_task() for _ in range(3)))

    assert sorted(task.state for task in tasks) == ["ERROR", "FINISHED", "FINISHED"]
    assert await bench.end_counts() == {"done": 2, "failed": 1, "step": 3}


async def test_what_a_step_has_scheduled_cannot_use_the_transaction_later(bench: Workbench) -> None:
    late: list[asyncio.Task[int]] = []

    async def do(ctx: Context) -> None:
        late.append(asyncio.ensure_future(ctx.db.write(lambda tx: counters.increment(tx, "late"))))

    await perform(bench, a_task(), step=Step("step", do))

    with pytest.raises(WouldWaitError):
        await late[0]
    assert "late" not in await bench.end_counts()


async def start_and_end(bench: Workbench, task: Task, *, is_instant: bool = True) -> tuple[bool, Engine]:
    """Start a task as a request does; return whether its transaction has ended it, and the engine."""
    engine = bench.engine(bench.journal.operation(counting_step(bench)), is_instant=is_instant)

    async def start(tx: Tx) -> bool:
        return await perform_or_add(tx, engine, task)

    return await bench.db.write(start), engine


async def perform_or_add(tx: Tx, engine: Engine, task: Task) -> bool:
    if await engine.perform_new(tx, task):
        return True
    await tasks.add(tx, task)
    return False


async def count_unfinished(bench: Workbench) -> int:
    """Return the number of unfinished tasks that is kept of the tenant."""
    async with bench.db.read() as tx:
        return await tasks.count_unfinished_of_tenant(tx, 1)


async def test_a_task_ends_in_the_transaction_that_starts_it(bench: Workbench, tmp_path: Path) -> None:
    seen: list[list[str]] = []

    async def look() -> None:
        seen.append(committed_states(tmp_path))

    bench.journal.callbacks["step"] = look
    started = a_task()

    has_ended, _ = await start_and_end(bench, started)

    assert has_ended
    assert seen == [[]]
    assert committed_states(tmp_path) == ["FINISHED"]
    task = await bench.reload(started)
    assert (task.step, task.lease_token, task.created_resources) == (1, None, {"instances": ["i-1"]})
    assert await bench.end_counts() == {"done": 1, "step": 1}
    assert await count_unfinished(bench) == 0


async def test_after_one_that_takes_too_long_tasks_of_its_type_are_claimed(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as short:
        short.setattr(open_transactions, "LONGEST_SECONDS", -1)
        was_late, engine = await start_and_end(bench, a_task(id="late"))

    async def start(task: Task) -> bool:
        async def work(tx: Tx) -> bool:
            return await perform_or_add(tx, engine, task)

        return await bench.db.write(work)

    is_claimed = not await start(a_task(id="soon after"))
    later = time.monotonic() + engine_module.CLAIMED_SECONDS
    monkeypatch.setattr(time, "monotonic", lambda: later)

    assert (was_late, is_claimed, await start(a_task(id="later"))) == (False, True, True)


async def test_what_cannot_end_with_its_start_is_left_to_the_workers(bench: Workbench) -> None:
    bench.journal.fail("step", retryable_error())
    started = a_task()

    has_ended, engine = await start_and_end(bench, started)

    assert not has_ended
    assert (await bench.reload(started)).state == "NEW"
    assert await bench.end_counts() == {}
    assert await count_unfinished(bench) == 1
    await engine.run_until_idle()
    assert (await bench.reload(started)).state == "FINISHED"
    assert await bench.end_counts() == {"done": 1, "step": 1}


async def test_a_part_that_fails_soon_after_another_one_is_undone_alone(bench: Workbench) -> None:
    bench.journal.fail("step", retryable_error(), retryable_error())

    for name in ("first", "second"):
        has_ended, _ = await start_and_end(bench, a_task(id=name))
        assert not has_ended

    assert bench.journal.lines == ["step", "step"]
    assert await bench.end_counts() == {}
    assert await count_unfinished(bench) == 2


@pytest.mark.parametrize(
    ("task", "is_instant"),
    [
        (a_task(slot_class=SlotClass.SLOW), True),
        (a_task(region_id=99), True),
        (a_task(task_type="of another version"), True),
        (a_task(), False),
    ],
)
async def test_other_tasks_are_not_even_tried_with_their_start(
    bench: Workbench, task: Task, *, is_instant: bool
) -> None:
    has_ended, _ = await start_and_end(bench, task, is_instant=is_instant)

    assert not has_ended
    assert bench.journal.lines == []
    assert (await bench.reload(task)).state == "NEW"
