"""Long work on the event loop is done in slices, one in each iteration, and tenants take turns with them."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import copy_context
from functools import partial
from itertools import pairwise
from typing import Any

from pileus.store.loop_turns import (
    ITEMS_PER_LOOK,
    MANY_ITEMS,
    SLICE_SECONDS,
    LoopTurns,
    build_in_turns,
    current_tenant,
    set_tenant,
    take_turn,
)


def start_for(turns: LoopTurns, client_id: int, work: Callable[[], Coroutine[Any, Any, Any]]) -> "asyncio.Task[Any]":
    """Start work in a task of its own, for a request of a tenant."""

    async def run() -> Any:
        set_tenant(turns, client_id)
        return await work()

    return asyncio.create_task(run())


async def take_turns(count: int, note: Callable[[], object]) -> None:
    """Take turns and note each one."""
    for _ in range(count):
        await take_turn()
        note()


async def test_tenants_take_turns_however_many_requests_one_has() -> None:
    turns, order = LoopTurns(), list[int]()
    tasks: list[Awaitable[Any]] = [
        start_for(turns, client_id, partial(take_turns, 3, partial(order.append, client_id)))
        for client_id in (1, 1, 1, 2)
    ]

    await asyncio.gather(*tasks)

    assert order == [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 1]


async def test_the_requests_of_a_tenant_take_turns() -> None:
    turns, order = LoopTurns(), list[str]()

    await asyncio.gather(*(start_for(turns, 1, partial(take_turns, 2, partial(order.append, name))) for name in "ab"))

    assert order == ["a", "b", "a", "b"]


async def test_work_without_turns_runs_between_two_slices() -> None:
    turns, slices = LoopTurns(), list[int]()
    tasks = [start_for(turns, 1, lambda: take_turns(20, lambda: slices.append(1))) for _ in range(8)]
    seen = []
    while len(slices) < 100:
        seen.append(len(slices))
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)

    assert max(after - before for before, after in pairwise(seen)) == 1


async def test_a_cancelled_request_does_not_keep_the_turn() -> None:
    turns, order = LoopTurns(), list[str]()
    cancelled = start_for(turns, 1, lambda: take_turns(1, lambda: order.append("cancelled")))
    other = start_for(turns, 1, lambda: take_turns(1, lambda: order.append("other")))
    await asyncio.sleep(0)
    cancelled.cancel()

    await asyncio.wait({cancelled, other})

    assert order == ["other"]


async def test_few_items_are_built_without_a_turn() -> None:
    turns, others = LoopTurns(), list[int]()
    task = start_for(turns, 1, lambda: build_in_turns(range(ITEMS_PER_LOOK - 1)))
    asyncio.get_running_loop().call_soon(lambda: asyncio.get_running_loop().call_soon(others.append, 1))

    assert await task == list(range(ITEMS_PER_LOOK - 1))
    assert not others


async def test_slow_items_are_built_in_turns() -> None:
    turns, count = LoopTurns(), 10 * MANY_ITEMS
    iterations = []

    def build(number: int) -> int:
        end = time.perf_counter() + SLICE_SECONDS / ITEMS_PER_LOOK
        while time.perf_counter() < end:
            pass
        return number

    task = start_for(turns, 1, lambda: build_in_turns(map(build, range(count))))
    while not task.done():
        iterations.append(1)
        await asyncio.sleep(0)

    assert await task == list(range(count))
    assert len(iterations) > count / (2 * ITEMS_PER_LOOK)


async def test_work_of_the_server_itself_only_lets_others_run() -> None:
    assert copy_context().run(current_tenant) == 0
    await take_turn()
