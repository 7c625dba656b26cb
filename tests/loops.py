"""An application in an event loop of its own, for tests that are not coroutines themselves."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

from pileus.app import started
from pileus.settings import Settings
from tests.databases import database_url
from tests.tenants import Tenant, new_tenant


class World:
    """The application, with a tenant; `run` waits for something."""

    def __init__(self, data: Path, url: str) -> None:
        self._runner = asyncio.Runner()
        self._opened = AsyncExitStack()
        self._settings = Settings(data=data, database=url, log_level="error")
        self.tenant: Tenant = self.run(self._open())

    async def _open(self) -> Tenant:
        running = await self._opened.enter_async_context(started(self._settings))
        return await self._opened.enter_async_context(new_tenant(running))

    def run(self, work: Any) -> Any:
        """Wait for something."""
        return self._runner.run(work)

    def renew(self) -> None:
        """Go on with another tenant."""
        self.tenant = self.run(self._opened.enter_async_context(new_tenant(self.tenant.running)))

    def close(self) -> None:
        """Stop."""
        self.run(self._opened.aclose())
        self._runner.close()


@contextmanager
def world_on(backend: str, data: Path) -> Iterator[World]:
    """An application on a database of its own."""
    with database_url(backend) as url:
        opened = World(data, url)
        try:
            yield opened
        finally:
            opened.close()
