"""The server as a process, or as several that share a port, each of them whole (API and worker)."""

import asyncio
import gc

from pileus.drivers.registry import find_driver
from pileus.logs import configure
from pileus.server.startup import StartError, claim_port, friendly_errors, lock_data_directory
from pileus.server.workers import supervise
from pileus.settings import Settings

__all__ = ["StartError", "run"]


def run(settings: Settings) -> None:
    """Serve until told to stop (SIGINT, SIGTERM); raises StartError, or SettingError."""
    # What is made at the start stays: looking through it again and again would take a sixth of the time.
    gc.disable()
    configure(settings.log_level, settings.log_format)
    claim_port(settings.host, settings.port)
    with friendly_errors(settings), lock_data_directory(settings) as lock:
        find_driver(settings.driver)
        if settings.workers > 1:
            asyncio.run(supervise(settings, lock))
            return
        from pileus.server.process import serve_alone  # noqa: PLC0415  # who starts workers serves nothing itself

        serve_alone(settings)
