"""Read the log of this process: what is selected now, or all that will be."""

import asyncio
from collections.abc import AsyncIterator

from msgspec import Struct

from pileus.api.request_log.exchange_views import exchange_view, is_selected
from pileus.api.request_log.exchanges import Exchange, RequestLog
from pileus.api.wire.exchanges import ExchangeFilter, ExchangeView

AT_ONCE = 20
"""Exchanges that are read before other requests get their turn."""


class LogQuery(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What to read of a log: the last `limit` of the selected exchanges after `after`, or with `follow` all later ones.

    Without `after`, a stream begins with the next exchange. `clear` removes all exchanges in place of that.
    """

    selection: ExchangeFilter = ExchangeFilter()
    after: int | None = None
    limit: int = 0
    follow: bool = False
    clear: bool = False


class SelectedExchange(Struct, frozen=True):
    """A selected exchange, and the time at which it ended, by which those of several processes are sorted."""

    number: int
    ended_at: int
    view: ExchangeView


class LogPart(Struct, frozen=True, kw_only=True):
    """A part of a process's log, up to the exchange `number`; `dropped` exchanges had made room for later ones."""

    worker_id: str
    number: int
    exchanges: list[SelectedExchange] = []
    count: int = 0
    dropped: int = 0


async def read_part(log: RequestLog, query: LogQuery) -> LogPart:
    """Return the last selected exchanges of a log."""
    number = log.last_number
    exchanges, dropped = log.list_after(query.after or 0)
    selected = [exchange for exchange in exchanges if is_selected(exchange, query.selection)]
    if query.selection.text is None:
        count, selected = len(selected), selected[len(selected) - min(len(selected), query.limit) :]
        views = await _make_views(selected, query.selection)
    else:
        views = await _make_views(selected, query.selection)
        count, views = len(views), views[len(views) - min(len(views), query.limit) :]
    return LogPart(worker_id=log.worker_id, number=number, exchanges=views, count=count, dropped=dropped)


async def follow_parts(log: RequestLog, query: LogQuery) -> AsyncIterator[LogPart]:
    """Yield the selected exchanges as they come, until the server stops. The first part comes at once.

    A reader that is slower than the log misses exchanges, and learns how many: nothing waits for it in memory.
    """
    number = log.last_number if query.after is None else min(query.after, log.last_number)
    yield LogPart(worker_id=log.worker_id, number=number)
    with log.subscribe() as event:
        while not log.has_stopped:
            event.clear()
            exchanges, dropped = log.list_after(number, AT_ONCE)
            if not exchanges and not dropped:
                await event.wait()
                continue
            number = exchanges[-1].number if exchanges else log.last_number
            selected = [exchange for exchange in exchanges if is_selected(exchange, query.selection)]
            views = await _make_views(selected, query.selection)
            if views or dropped:
                yield LogPart(worker_id=log.worker_id, number=number, exchanges=views, dropped=dropped)


async def _make_views(exchanges: list[Exchange], selection: ExchangeFilter) -> list[SelectedExchange]:
    views = []
    for index, exchange in enumerate(exchanges):
        if index % AT_ONCE == AT_ONCE - 1:
            await asyncio.sleep(0)
        view = exchange_view(exchange)
        if selection.text is None or view.contains(selection.text):
            views.append(SelectedExchange(exchange.number, exchange.ended_at, view))
    return views
