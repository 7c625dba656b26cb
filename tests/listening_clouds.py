"""Clouds in this process that listen at a port."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from pileus.app import RunningCloud, run_cloud
from pileus.server.http_server import listen
from pileus.server.process import make_http_server
from pileus.settings import Settings
from tests.servers import KEY


@asynccontextmanager
async def run_listening_cloud(settings: Settings) -> AsyncIterator[tuple[RunningCloud, httpx.AsyncClient]]:
    """Run a cloud; yield it with a client of the operator's key, which sends what it gets and validates nothing."""
    async with run_cloud(settings) as cloud:
        http_server = make_http_server(settings, cloud)
        serving = asyncio.create_task(http_server.serve([listen("127.0.0.1", settings.port)]))
        headers = {"Authorization": f"APIKey {KEY}"}
        try:
            async with httpx.AsyncClient(base_url=settings.base_url, headers=headers, timeout=60) as api:
                yield cloud, api
        finally:
            cloud.app_state.stop_waiting()
            http_server.should_exit = True
            await serving
