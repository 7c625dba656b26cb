"""An application with its own event loop, for synchronous tests."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

from pileus.app import RunningCloud, run_cloud
from tests.app_settings import checked_settings
from tests.databases import database_url
from tests.tenants import Tenant, new_tenant


class SyncApp:
    """A running application."""

    def __init__(self, data: Path, url: str) -> None:
        self._runner = asyncio.Runner()
        self._resources = AsyncExitStack()
        cloud = run_cloud(checked_settings(data=data, database=url, log_level="error"))
        self.running: RunningCloud = self.run(self._resources.enter_async_context(cloud))

    def run(self, coroutine: Any) -> Any:
        """Run a coroutine and return its result."""
        return self._runner.run(coroutine)

    def tenant(self) -> Tenant:
        """Add a tenant."""
        tenant: Tenant = self.run(self._resources.enter_async_context(new_tenant(self.running)))
        return tenant

    def close(self) -> None:
        """Stop the application."""
        self.run(self._resources.aclose())
        self._runner.close()


@contextmanager
def run_sync_app(backend: str, data: Path) -> Iterator[SyncApp]:
    """Run an application on a new database."""
    with database_url(backend) as url:
        app = SyncApp(data, url)
        try:
            yield app
        finally:
            app.close()
