"""Reports of what has been used, and what that costs."""

import csv
import io
from typing import Any

from litestar import Response, post
from litestar.params import JSONBody

from pileus.api.auth import READ
from pileus.api.context import Ctx, RequestContext
from pileus.api.wire.account.reports import (
    CostReport,
    ListedReportRequest,
    ReportRequest,
    ReservationReportRequest,
    ResourcesRequest,
    TotalsRequest,
    UsageReport,
    cost,
    single,
    total,
)
from pileus.domain.account.usage import UsageRecord, lines, ordered, totals
from pileus.store.account import metering

REPORT = "/cloud/v1/cost_report"
LEFT_OUT = "tags"
"""What does not fit into a cell."""


@post(f"{REPORT}/totals", opt=READ, status_code=200, tags=["Cost Reports"])
async def report_cost_totals(ctx: Ctx, data: JSONBody[TotalsRequest]) -> CostReport | Response[str]:
    """Tell what all your projects have cost, summed up by type, region and price: whole days in UTC, 31 at most.

    The last day counts only with `enable_last_day`. Prices are those of today's catalogue, without taxes. Tags are
    those that things have, or had when they went. With `csv_totals` the answer is a table.
    """
    currency, catalogue = ctx.catalogue.currency, ctx.catalogue
    found = ordered(totals(await _used(ctx, data), catalogue), ["type.asc", "region.asc"])
    results = [total(line, rounding=data.rounding) | cost(line, currency, rounding=data.rounding) for line in found]
    if data.response_format == "csv_totals":
        return _table(results)
    return CostReport(count=len(results), price_status="show", results=results)


@post(f"{REPORT}/resources", opt=READ, status_code=200, tags=["Cost Reports"])
async def report_cost_of_resources(ctx: Ctx, data: JSONBody[ResourcesRequest]) -> CostReport | Response[str]:
    """Tell what each thing has cost; one whose price has changed, as by a resize, has a line for each.

    The rules are those of the totals. With `csv_records` the answer is a table.
    """
    currency, catalogue = ctx.catalogue.currency, ctx.catalogue
    found = ordered(lines(await _used(ctx, data), catalogue), data.order())
    results = [
        single(line, rounding=data.rounding) | cost(line, currency, rounding=data.rounding)
        for line in found[data.offset : data.offset + data.limit]
    ]
    if data.response_format == "csv_records":
        return _table(results)
    return CostReport(count=len(found), price_status="show", results=results)


@post("/cloud/v1/reservation_cost_report/totals", opt=READ, status_code=200, tags=["Cost Reports"])
async def report_reservation_costs(ctx: Ctx, data: JSONBody[ReservationReportRequest]) -> CostReport | Response[str]:
    """Tell what reserved things have cost beyond their reservation. There are no reservations here: nothing has."""
    data.window(ctx.now())
    if data.response_format == "csv_totals":
        return _table([])
    return CostReport(count=0, price_status="show", results=[])


@post("/cloud/v1/usage_report", opt=READ, status_code=200, tags=["Cost Reports"])
async def report_usage(ctx: Ctx, data: JSONBody[ListedReportRequest]) -> UsageReport:
    """Tell what has been used, thing by thing and summed up, without costs. The rules are those of the cost report."""
    used, catalogue = await _used(ctx, data), ctx.catalogue
    found = ordered(lines(used, catalogue), data.order())
    sums = ordered(totals(used, catalogue), ["type.asc", "region.asc"])
    page = found[data.offset : data.offset + data.limit]
    return UsageReport(
        count=len(found), resources=[single(line) for line in page], totals=[total(line) for line in sums]
    )


async def _used(ctx: RequestContext, data: ReportRequest) -> list[UsageRecord]:
    now = ctx.now()
    window, wanted = data.window(now, last_day=data.enable_last_day), data.wanted()
    async with ctx.db.scan() as tx:
        found = await metering.usage_in(tx, ctx.caller.client_id, window, now)
    return [record for record in found if wanted.holds(record)]


def _table(rows: list[dict[str, Any]]) -> Response[str]:
    """Rows as comma-separated values, a column for each field that any of them has."""
    columns = [name for name in dict.fromkeys(name for row in rows for name in row) if name != LEFT_OUT]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return Response(text.getvalue(), media_type="text/csv")


ROUTES = [report_cost_totals, report_cost_of_resources, report_reservation_costs, report_usage]
