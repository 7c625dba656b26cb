"""Reports of usage and costs."""

import csv
import io
from typing import Any

from litestar import Response, post
from litestar.params import JSONBody

from pileus.api.authorization import READ
from pileus.api.context import Ctx, RequestContext
from pileus.api.wire.account.report_requests import (
    CostTotalsRequest,
    ReportRequest,
    ReservationReportRequest,
    ResourceCostsRequest,
    UsageReportRequest,
)
from pileus.api.wire.account.reports import (
    CostReport,
    UsageReport,
    line_cost_fields,
    resource_line_fields,
    total_line_fields,
)
from pileus.domain.account.usage_reports import (
    LineKey,
    UsageRecord,
    UsageReportLine,
    UsageReportLines,
    resource_line_key,
    sort_report_lines,
    total_line_key,
)
from pileus.domain.catalogue import Catalogue
from pileus.store.account import metering
from pileus.store.loop_turns import build_in_turns, call_in_turns

REPORT = "/cloud/v1/cost_report"
TOTALS_ORDER = ("type.asc", "region.asc")
OMITTED = "tags"
"""The field that does not fit into a cell of a table."""


@post(f"{REPORT}/totals", opt=READ, status_code=200, tags=["Cost Reports"])
async def report_cost_totals(ctx: Ctx, data: JSONBody[CostTotalsRequest]) -> CostReport | Response[str]:
    """Report the costs of all your projects, summed by type, region and price, for at most 31 whole days (UTC).

    The last day is included only with `enable_last_day`. Prices are those of today's catalogue, without taxes. Tags are
    those of a resource now, or when it was deleted. With `csv_totals` the answer is a CSV table.
    """
    currency = ctx.catalogue.currency
    records = await _read_usage(ctx, data)
    sums = sort_report_lines(await _sum_up(records, ctx.catalogue, total_line_key), TOTALS_ORDER)
    results = [
        total_line_fields(line, rounding=data.rounding) | line_cost_fields(line, currency, rounding=data.rounding)
        for line in sums
    ]
    if data.response_format == "csv_totals":
        return _csv_response(results)
    return CostReport(count=len(results), price_status="show", results=results)


@post(f"{REPORT}/resources", opt=READ, status_code=200, tags=["Cost Reports"])
async def report_cost_of_resources(ctx: Ctx, data: JSONBody[ResourceCostsRequest]) -> CostReport | Response[str]:
    """Report the costs of each resource. A resource whose price has changed, as by a resize, has a line per price.

    The rules are those of the totals. With `csv_records` the answer is a CSV table.
    """
    currency, records = ctx.catalogue.currency, await _read_usage(ctx, data)
    sorted_lines = sort_report_lines(await _sum_up(records, ctx.catalogue, resource_line_key), data.sort_order())
    results = await build_in_turns(
        resource_line_fields(line, rounding=data.rounding) | line_cost_fields(line, currency, rounding=data.rounding)
        for line in sorted_lines[data.offset : data.offset + data.limit]
    )
    if data.response_format == "csv_records":
        return _csv_response(results)
    return CostReport(count=len(sorted_lines), price_status="show", results=results)


@post("/cloud/v1/reservation_cost_report/totals", opt=READ, status_code=200, tags=["Cost Reports"])
async def report_reservation_costs(ctx: Ctx, data: JSONBody[ReservationReportRequest]) -> CostReport | Response[str]:
    """Report the costs of reserved resources beyond their reservation. Always empty: there are no reservations."""
    data.window(ctx.now())
    if data.response_format == "csv_totals":
        return _csv_response([])
    return CostReport(count=0, price_status="show", results=[])


@post("/cloud/v1/usage_report", opt=READ, status_code=200, tags=["Cost Reports"])
async def report_usage(ctx: Ctx, data: JSONBody[UsageReportRequest]) -> UsageReport:
    """Report usage, per resource and summed, without costs. The rules are those of the cost report."""
    records = await _read_usage(ctx, data)
    sorted_lines = sort_report_lines(await _sum_up(records, ctx.catalogue, resource_line_key), data.sort_order())
    sums = sort_report_lines(await _sum_up(records, ctx.catalogue, total_line_key), TOTALS_ORDER)
    page = sorted_lines[data.offset : data.offset + data.limit]
    return UsageReport(
        count=len(sorted_lines),
        resources=await build_in_turns(resource_line_fields(line) for line in page),
        totals=[total_line_fields(line) for line in sums],
    )


async def _read_usage(ctx: RequestContext, data: ReportRequest) -> list[UsageRecord]:
    now = ctx.now()
    window, usage_filter = data.window(now, last_day=data.enable_last_day), data.to_usage_filter()
    async with ctx.db.scan() as tx:
        records = await metering.list_usage(tx, ctx.caller.client_id, window, now)
    return await build_in_turns(record for record in records if usage_filter.matches(record))


async def _sum_up(records: list[UsageRecord], catalogue: Catalogue, key: LineKey) -> list[UsageReportLine]:
    """Sum records up in turns: a tenant may have very many."""
    report = UsageReportLines(catalogue, key)
    await call_in_turns(report.add, records)
    return report.lines


def _csv_response(rows: list[dict[str, Any]]) -> Response[str]:
    """Format rows as comma-separated values, with a column for each field that any row has."""
    columns = [name for name in dict.fromkeys(name for row in rows for name in row) if name != OMITTED]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return Response(text.getvalue(), media_type="text/csv")


ROUTES = [report_cost_totals, report_cost_of_resources, report_reservation_costs, report_usage]
