"""Whether the server lives, is ready, and how it is doing."""

from litestar import Response, get
from litestar.di import NamedDependency
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from pileus.api.auth import OPEN
from pileus.api.call import Cloud
from pileus.api.observing import Figures
from pileus.domain.errors import Unavailable
from pileus.store import tasks


@get("/healthz", opt=OPEN, include_in_schema=False)
async def healthz() -> dict[str, str]:
    """Answer as long as the process lives."""
    return {"status": "ok"}


@get("/readyz", opt=OPEN, include_in_schema=False)
async def readyz(cloud: NamedDependency[Cloud]) -> dict[str, str | int]:
    """Answer when the database does; 503 when it does not."""
    try:
        async with cloud.db.read() as tx:
            waiting = await tasks.unfinished(tx)
    except Exception as error:
        raise Unavailable("The database does not answer") from error
    return {"status": "ready", "tasks_unfinished": waiting}


@get("/metrics", opt=OPEN, include_in_schema=False)
async def metrics(figures: NamedDependency[Figures]) -> Response[bytes]:
    """Figures for Prometheus."""
    return Response(generate_latest(figures.registry), media_type=CONTENT_TYPE_LATEST)


ROUTES = [healthz, readyz, metrics]
