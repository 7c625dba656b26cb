"""The server: one process, or several that share a port. Each answers requests and runs tasks."""

import asyncio
import gc

from pileus.drivers.registry import find_driver_location
from pileus.logs import configure
from pileus.private_files import prepare_data_directory
from pileus.running_servers import register_server
from pileus.server.start_steps import prepare_start_report
from pileus.server.startup import StartError, check_ports_are_free, explain_start_errors, lock_data_directory
from pileus.server.workers import supervise_workers
from pileus.settings import Settings

__all__ = ["StartError", "run"]


def run(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM. Raises StartError or SettingError."""
    # Objects made at the start are kept for good. Collecting them would take a sixth of the start-up time.
    gc.disable()
    configure(settings.log_level, settings.log_format)
    check_ports_are_free(settings)
    with explain_start_errors(settings):
        prepare_data_directory(settings.data)
        _run_on_data_directory(settings)


def _run_on_data_directory(settings: Settings) -> None:
    with lock_data_directory(settings) as lock, register_server(settings):
        prepare_start_report(settings)
        find_driver_location(settings.driver)
        if settings.workers > 1:
            asyncio.run(supervise_workers(settings, lock))
            return
        from pileus.server.process import serve_as_single_process  # noqa: PLC0415  # the parent of workers does not serve

        serve_as_single_process(settings)
