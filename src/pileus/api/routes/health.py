"""Liveness, readiness and metrics of the server."""

import asyncio
import logging
from collections.abc import Awaitable

from litestar import MediaType, Response, get
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.status_codes import HTTP_200_OK, HTTP_503_SERVICE_UNAVAILABLE
from msgspec import Struct, field
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from pileus.api.authorization import OPEN, READ
from pileus.api.context import AppState
from pileus.api.installation_figures import InstallationFigures
from pileus.api.installation_metrics import format_installation_metrics
from pileus.api.middleware import ServerMetrics
from pileus.api.request_log.exchanges import UNLOGGED
from pileus.domain.errors import Unavailable
from pileus.domain.start_reports import COMPLETE, StartReport
from pileus.drivers.protocols.compute import Compute, SupportsHealthCheck
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.regions import RegionDrivers, RunningDriver
from pileus.store.database import Database, check_connection, try_to_write
from pileus.store.disk_failures import DISK_FAILURES

LOG = logging.getLogger(__name__)
OK = "ok"
TIMEOUT = 2.0
"""Seconds until a check counts as failed."""


class HealthCheckResult(Struct, frozen=True, kw_only=True):
    """The result of a check: details, or an error."""

    details: str = ""
    error: str = ""


class TaskQueueView(Struct, frozen=True, kw_only=True):
    """The tasks that wait for a slot of a class, and the seconds for which the oldest one waits."""

    waiting: int
    oldest_seconds: float


class ReadinessView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer of a server that is ready; `task_queues` is by slot class.

    `driver_errors` are those of the drivers that do not work, by region; `driver_details` are those of the others.
    `regions_elsewhere` are those whose machines another server has.
    """

    status: str
    database: str
    driver: str
    driver_details: str = ""
    driver_errors: dict[int, str] = field(default_factory=dict)
    regions_elsewhere: list[int] = field(default_factory=list)
    tasks_unfinished: int
    task_queues: dict[str, TaskQueueView]


@get("/healthz", opt=OPEN | UNLOGGED, include_in_schema=False)
async def healthz() -> dict[str, str]:
    """Answer while the process runs."""
    return {"status": "ok"}


@get("/readyz", opt=OPEN | UNLOGGED, include_in_schema=False)
async def readyz(app_state: NamedDependency[AppState]) -> ReadinessView:
    """Answer if the database and a driver work, else with 503 and the errors.

    A driver that does not work makes its regions fail, but not the others. Drivers in other servers are not asked.
    """
    database, drivers = await asyncio.gather(
        _run_check(_check_database(app_state.db)), _check_drivers(app_state.drivers)
    )
    if database.error or (drivers and all(result.error for _, result in drivers)):
        checks = [("database", database), *(("driver", result) for _, result in drivers)]
        raise Unavailable("; ".join(f"{name}: {result.error or OK}" for name, result in checks))
    errors = {region_id: result.error for entry, result in drivers if result.error for region_id in entry.region_ids}
    figures = await app_state.task_meter.measure()
    return ReadinessView(
        status="ready",
        database=OK,
        driver="degraded" if errors else OK,
        driver_details="; ".join(result.details for _, result in drivers if result.details),
        driver_errors=errors,
        regions_elsewhere=sorted(app_state.drivers.remote_region_ids),
        tasks_unfinished=figures.unfinished_count,
        task_queues={
            name: TaskQueueView(waiting=queue.waiting, oldest_seconds=queue.oldest_age(figures.measured_at))
            for name, queue in figures.queues.items()
        },
    )


@get("/startupz", opt=OPEN | UNLOGGED, include_in_schema=False)
async def startupz(app_state: NamedDependency[AppState]) -> Response[StartReport]:
    """Answer when the seed file and the start scripts are done, else with 503 and how far the start is."""
    report = app_state.read_start_report()
    status = HTTP_200_OK if report.state == COMPLETE else HTTP_503_SERVICE_UNAVAILABLE
    return Response(report, status_code=status, media_type=MediaType.JSON)


async def _run_check(check: Awaitable[str]) -> HealthCheckResult:
    try:
        async with asyncio.timeout(TIMEOUT):
            return HealthCheckResult(details=await check)
    except (DriverError, Unavailable) as error:
        return HealthCheckResult(error=str(error))
    except Exception:
        LOG.exception("Not ready")
        return HealthCheckResult(error="does not answer")


async def _check_database(db: Database) -> str:
    async with db.read() as tx:
        await check_connection(tx)
    if DISK_FAILURES.are_recent:
        # A disk that has room again need not have a write, so this one finds out.
        await db.write(try_to_write)
        DISK_FAILURES.end()
    return ""


async def _check_drivers(drivers: RegionDrivers) -> list[tuple[RunningDriver, HealthCheckResult]]:
    results = await asyncio.gather(*(_run_check(_check_driver(entry.driver)) for entry in drivers.running))
    return list(zip(drivers.running, results, strict=True))


async def _check_driver(driver: Compute) -> str:
    return await driver.check_health() if isinstance(driver, SupportsHealthCheck) else ""


async def _measure_installation(app_state: AppState) -> InstallationFigures | None:
    """Return the figures of the whole installation; None while the database does not answer."""
    try:
        async with asyncio.timeout(TIMEOUT):
            return await app_state.installation_meter.measure(await app_state.task_meter.measure())
    except (TimeoutError, Unavailable):
        return None


def make_metrics_route(*, key_required: bool) -> HTTPRouteHandler:
    """Make the route of `/metrics`."""

    @get("/metrics", opt=(READ if key_required else OPEN) | UNLOGGED, include_in_schema=False)
    async def show_metrics(
        app_state: NamedDependency[AppState], metrics: NamedDependency[ServerMetrics]
    ) -> Response[bytes]:
        """Return the metrics for Prometheus; those of the installation are missing without the database."""
        figures = await _measure_installation(app_state)
        text = metrics.format_for_prometheus() + format_installation_metrics(figures)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    return show_metrics


ROUTES = [healthz, readyz, startupz]
