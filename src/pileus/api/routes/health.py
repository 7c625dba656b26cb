"""Whether the server lives, is ready, and how it is doing."""

import asyncio
import logging
from collections.abc import Awaitable

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from msgspec import Struct
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from pileus.api.auth import OPEN, READ
from pileus.api.context import AppState
from pileus.api.middleware import HttpMetrics
from pileus.domain.errors import Unavailable
from pileus.drivers.protocols.compute import Compute, HealthCheck
from pileus.drivers.protocols.errors import DriverError
from pileus.store import tasks
from pileus.store.database import Database

LOG = logging.getLogger(__name__)
FINE = "ok"
PATIENCE = 2.0
"""Seconds."""


class State(Struct, frozen=True, kw_only=True):
    """What a part says of itself, or what is wrong with it."""

    told: str = ""
    wrong: str = ""


@get("/healthz", opt=OPEN, include_in_schema=False)
async def healthz() -> dict[str, str]:
    """Answer as long as the process lives."""
    return {"status": "ok"}


@get("/readyz", opt=OPEN, include_in_schema=False)
async def readyz(cloud: NamedDependency[AppState]) -> dict[str, str | int]:
    """Answer when the database and the driver do; 503 when one of them does not."""
    states = {"database": await _state(_database(cloud.db)), "driver": await _state(_driver(cloud.driver))}
    if any(state.wrong for state in states.values()):
        raise Unavailable("; ".join(f"{name}: {state.wrong or FINE}" for name, state in states.items()))
    details = {f"{name}_details": state.told for name, state in states.items() if state.told}
    async with cloud.db.read() as tx:
        return {
            "status": "ready",
            **dict.fromkeys(states, FINE),
            **details,
            "tasks_unfinished": await tasks.unfinished(tx),
        }


async def _state(look: Awaitable[str]) -> State:
    try:
        async with asyncio.timeout(PATIENCE):
            return State(told=await look)
    except DriverError as error:
        return State(wrong=str(error))
    except Exception:
        LOG.exception("Not ready")
        return State(wrong="does not answer")


async def _database(db: Database) -> str:
    async with db.read() as tx:
        await tx.one("SELECT 1 FROM clients")
    return ""


async def _driver(driver: Compute) -> str:
    return await driver.check() if isinstance(driver, HealthCheck) else ""


def metrics(*, key_required: bool) -> HTTPRouteHandler:
    """The route of `/metrics`."""

    @get("/metrics", opt=READ if key_required else OPEN, include_in_schema=False)
    async def show_metrics(figures: NamedDependency[HttpMetrics]) -> Response[bytes]:
        """Figures for Prometheus."""
        return Response(figures.exposition(), media_type=CONTENT_TYPE_LATEST)

    return show_metrics


ROUTES = [healthz, readyz]
