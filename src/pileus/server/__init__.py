"""The server: one process, or several that share a port. Each answers requests and runs tasks."""

import asyncio
import gc

from pileus.drivers.registry import find_driver
from pileus.logs import configure
from pileus.server.startup import StartError, claim_port, friendly_errors, lock_data_directory
from pileus.server.workers import supervise
from pileus.settings import Settings

__all__ = ["StartError", "run"]


def run(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM. Raises StartError or SettingError."""
    # Objects made at the start are kept for good. Collecting them would take a sixth of the start-up time.
    gc.disable()
    configure(settings.log_level, settings.log_format)
    claim_port(settings.host, settings.port)
    with friendly_errors(settings), lock_data_directory(settings) as lock:
        find_driver(settings.driver)
        if settings.workers > 1:
            asyncio.run(supervise(settings, lock))
            return
        from pileus.server.process import serve_alone  # noqa: PLC0415  # the parent of workers does not serve

        serve_alone(settings)
