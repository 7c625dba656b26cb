"""Tenants share slots: one that is busy leaves some for others, and those that wait take turns."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from pileus.store.loop_turns import SERVER, LoopTurns, set_tenant
from pileus.store.tenant_slots import TenantSlots


class Occupant:
    """A request that occupies a slot until it is told to end."""

    def __init__(self, slots: TenantSlots, client_id: int) -> None:
        self.client_id = client_id
        self.has_slot = False
        self.end = asyncio.Event()
        self.task = asyncio.create_task(self._run(slots))

    async def _run(self, slots: TenantSlots) -> None:
        if self.client_id != SERVER:
            set_tenant(LoopTurns(), self.client_id)
        async with slots.occupy():
            self.has_slot = True
            await self.end.wait()
        self.has_slot = False

    async def leave(self) -> None:
        """Give the slot back."""
        self.end.set()
        await self.task


@asynccontextmanager
async def occupants_of(slots: TenantSlots) -> AsyncIterator[Callable[..., "list[Occupant]"]]:
    """Start occupants for the tenants given; they end with the context."""
    occupants: list[Occupant] = []

    def start(*client_ids: int) -> list[Occupant]:
        started = [Occupant(slots, client_id) for client_id in client_ids]
        occupants.extend(started)
        return started

    yield start
    for occupant in occupants:
        occupant.end.set()
    await asyncio.wait({occupant.task for occupant in occupants})


async def settle() -> None:
    """Let all tasks run that can."""
    for _ in range(5):
        await asyncio.sleep(0)


def owners(occupants: list[Occupant]) -> list[int]:
    return [occupant.client_id for occupant in occupants if occupant.has_slot]


async def test_a_tenant_gets_half_of_the_slots_and_another_one_finds_a_free_slot_at_once() -> None:
    async with occupants_of(TenantSlots(4)) as start:
        busy = start(*[1] * 6)
        await settle()
        (quiet,) = start(2)
        await settle()

        assert owners(busy) == [1, 1]
        assert quiet.has_slot


async def test_waiting_tenants_take_turns() -> None:
    async with occupants_of(TenantSlots(1)) as start:
        (first, *busy) = start(1, 1, 1)
        await settle()
        (quiet,) = start(2)
        await settle()
        await first.leave()
        await settle()
        assert owners([*busy, quiet]) == [1]

        await busy[0].leave()
        await settle()
        assert owners([*busy, quiet]) == [2]


async def test_a_waiting_request_that_is_cancelled_leaves_its_slot_to_others() -> None:
    async with occupants_of(TenantSlots(1)) as start:
        first, second, third = start(1, 1, 1)
        await settle()
        await first.leave()
        # The second one has been given the slot, and is cancelled before it runs.
        second.task.cancel()
        await asyncio.wait({second.task})
        await settle()

        assert third.has_slot


async def test_the_server_itself_may_occupy_all_slots() -> None:
    async with occupants_of(TenantSlots(4)) as start:
        occupants = start(*[SERVER] * 5)
        await settle()

        assert owners(occupants) == [SERVER] * 4
