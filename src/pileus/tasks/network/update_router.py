"""update_router: change a router, its way out, or what it joins; it is as it was until the task is done.

Arguments: `router_id`; `patch`, what is to change of it; `new`, ports that it has from the start of the task on and
loses again if the task fails; `old`, ports that it loses when the task is done.
"""

from collections.abc import Collection, Sequence

from msgspec import convert
from msgspec.structs import replace

from pileus.domain.network.routers import Router, RouterInterface, RouterPatch, check_next_hops
from pileus.store.database import Tx
from pileus.store.network import router_interfaces, routers
from pileus.tasks.network.router_sync import (
    add_interfaces,
    internal_interfaces,
    remove_interfaces,
    router_driver,
    router_of,
    router_spec,
)
from pileus.tasks.operation import Created, Operation, Step, TaskContext


async def _apply(work: TaskContext) -> None:
    router, legs = await _loaded(work)
    await _told(work, router.patched(_patch(work)), legs, work.task.args["new"], work.task.args["old"])


async def _revert(work: TaskContext) -> None:
    router, legs = await _loaded(work)
    await _told(work, router, legs, work.task.args["old"], work.task.args["new"])


async def _told(
    work: TaskContext, router: Router, legs: Sequence[RouterInterface], come: Collection[str], gone: Collection[str]
) -> None:
    """Let a router be so, with those of its interfaces that come and without those that are gone."""
    await router_driver(work).ensure_router(router_spec(router, legs))
    await add_interfaces(work, (leg for leg in internal_interfaces(legs) if leg.port.id in come))
    await remove_interfaces(work, (leg for leg in internal_interfaces(legs) if leg.port.id in gone))


async def _loaded(work: TaskContext) -> tuple[Router, list[RouterInterface]]:
    async with work.db.read() as tx:
        router = await router_of(tx, work)
        return router, await router_interfaces.of(tx, router.id)


def _patch(work: TaskContext) -> RouterPatch:
    return convert(work.task.args["patch"], RouterPatch)


async def _done(tx: Tx, work: TaskContext) -> Created | None:
    router = await router_of(tx, work)
    for port_id in work.task.args["old"]:
        await router_interfaces.remove(tx, port_id)
    after = router.patched(_patch(work))
    legs = await router_interfaces.of(tx, router.id)
    own = {line.ip for leg in legs for line in leg.addresses}
    check_next_hops(after.routes, await router_interfaces.subnets_of(tx, legs), own)
    await routers.save(tx, router, after.activated(work.now()))
    return None


async def _failed(tx: Tx, work: TaskContext) -> None:
    router = await router_of(tx, work)
    for port_id in work.task.args["new"]:
        await router_interfaces.remove(tx, port_id)
    await routers.save(tx, router, replace(router, task_id=None))


UPDATE_ROUTER = Operation("update_router", (Step("apply", _apply, undo=_revert),), _done, _failed)
