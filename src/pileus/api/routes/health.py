"""Liveness, readiness and metrics of the server."""

import asyncio
import logging
from collections.abc import Awaitable

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from msgspec import Struct
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from pileus.api.authorization import OPEN, READ
from pileus.api.context import AppState
from pileus.api.middleware import ServerMetrics
from pileus.domain.errors import Unavailable
from pileus.drivers.protocols.compute import Compute, SupportsHealthCheck
from pileus.drivers.protocols.errors import DriverError
from pileus.store import tasks
from pileus.store.database import Database, check_connection

LOG = logging.getLogger(__name__)
OK = "ok"
TIMEOUT = 2.0
"""Seconds until a check counts as failed."""


class HealthCheckResult(Struct, frozen=True, kw_only=True):
    """The result of a check: details, or an error."""

    details: str = ""
    error: str = ""


@get("/healthz", opt=OPEN, include_in_schema=False)
async def healthz() -> dict[str, str]:
    """Answer while the process runs."""
    return {"status": "ok"}


@get("/readyz", opt=OPEN, include_in_schema=False)
async def readyz(app_state: NamedDependency[AppState]) -> dict[str, str | int]:
    """Answer if the database and the driver work, else with 503 and the errors."""
    results = {
        "database": await _run_check(_check_database(app_state.db)),
        "driver": await _run_check(_check_driver(app_state.driver)),
    }
    if any(result.error for result in results.values()):
        raise Unavailable("; ".join(f"{name}: {result.error or OK}" for name, result in results.items()))
    details = {f"{name}_details": result.details for name, result in results.items() if result.details}
    async with app_state.db.read() as tx:
        return {
            "status": "ready",
            **dict.fromkeys(results, OK),
            **details,
            "tasks_unfinished": await tasks.count_open(tx),
        }


async def _run_check(check: Awaitable[str]) -> HealthCheckResult:
    try:
        async with asyncio.timeout(TIMEOUT):
            return HealthCheckResult(details=await check)
    except DriverError as error:
        return HealthCheckResult(error=str(error))
    except Exception:
        LOG.exception("Not ready")
        return HealthCheckResult(error="does not answer")


async def _check_database(db: Database) -> str:
    async with db.read() as tx:
        await check_connection(tx)
    return ""


async def _check_driver(driver: Compute) -> str:
    return await driver.check_health() if isinstance(driver, SupportsHealthCheck) else ""


def make_metrics_route(*, key_required: bool) -> HTTPRouteHandler:
    """Make the route of `/metrics`."""

    @get("/metrics", opt=READ if key_required else OPEN, include_in_schema=False)
    async def show_metrics(metrics: NamedDependency[ServerMetrics]) -> Response[bytes]:
        """Return the metrics for Prometheus."""
        return Response(metrics.format_for_prometheus(), media_type=CONTENT_TYPE_LATEST)

    return show_metrics


ROUTES = [healthz, readyz]
