"""An application in an event loop of its own, for tests that are not coroutines themselves."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

from pileus.app import RunningCloud, run_cloud
from pileus.settings import Settings
from tests.databases import database_url
from tests.tenants import Tenant, new_tenant


class SyncApp:
    """The application; `run` waits for something."""

    def __init__(self, data: Path, url: str) -> None:
        self._runner = asyncio.Runner()
        self._opened = AsyncExitStack()
        opening = run_cloud(Settings(data=data, database=url, log_level="error"))
        self.running: RunningCloud = self.run(self._opened.enter_async_context(opening))

    def run(self, work: Any) -> Any:
        """Wait for something."""
        return self._runner.run(work)

    def tenant(self) -> Tenant:
        """Another tenant."""
        found: Tenant = self.run(self._opened.enter_async_context(new_tenant(self.running)))
        return found

    def close(self) -> None:
        """Stop."""
        self.run(self._opened.aclose())
        self._runner.close()


@contextmanager
def run_sync_app(backend: str, data: Path) -> Iterator[SyncApp]:
    """An application on a database of its own, empty at first."""
    with database_url(backend) as url:
        opened = SyncApp(data, url)
        try:
            yield opened
        finally:
            opened.close()
