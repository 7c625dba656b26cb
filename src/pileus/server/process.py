"""One server process, from start to clean stop. `python -m pileus.server.process` runs a worker."""

import asyncio
import gc
import logging
import socket
import sys
from contextlib import nullcontext

import msgspec
import uvloop

from pileus.api.immediate_answers import AnswerImmediately, FindAnswer, ImmediateAnswers
from pileus.api_keys import ApiKeyAdmin
from pileus.app import RunningCloud, run_cloud
from pileus.drivers.protocols.consoles import SupportsScreenStreams
from pileus.logs import configure
from pileus.server.announcement import has_terminal, print_connection_help, print_start_failures, wait_until_ready
from pileus.server.connections import ConnectionLimits
from pileus.server.health_listener import answer_health_checks
from pileus.server.http_server import HttpServer, listen
from pileus.server.service_manager import READY, notify_service_manager, report_to_service_manager
from pileus.server.start_steps import complete_start, ensure_key_of_start
from pileus.server.startup import (
    StartError,
    explain_port_errors,
    explain_start_errors,
    install_stop_signals,
    raise_failure,
    resolve_host,
    stop_after_failure,
)
from pileus.setting_fields import SettingError
from pileus.settings import Settings
from pileus.store.sqlite import Sqlite
from pileus.tasks.cancellation import cancel_and_wait

LOG = logging.getLogger("pileus.server")
DRAIN_SECONDS = 1.5
"""Seconds that running requests get to finish after a stop signal."""
GARBAGE_THRESHOLDS = (10_000, 10, 10)
"""The page of a list makes some ten thousand objects: they are gone before the collector looks at them."""


def serve_as_single_process(settings: Settings) -> None:
    """Serve as the only process and print how to reach the server."""

    async def main() -> None:
        stop = install_stop_signals()
        async with report_to_service_manager(stop):
            await run_until_stop(settings, stop, exclusive=True)

    uvloop.run(main())


def serve_as_worker() -> None:
    """Serve as one of several processes.

    The settings are a line of JSON on standard input. Its end means that the parent has died: the worker stops.
    An error that prevents the start is written to standard output.
    """
    settings = msgspec.json.decode(sys.stdin.buffer.readline(), type=Settings, dec_hook=lambda kind, text: kind(text))
    configure(settings.log_level, settings.log_format)

    async def main() -> None:
        stop = install_stop_signals()
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), stop.set)
        await run_until_stop(settings, stop, exclusive=False)

    try:
        with explain_start_errors(settings):
            uvloop.run(main())
    except (StartError, SettingError) as problem:
        sys.stdout.write(str(problem))
        sys.exit(1)


async def run_until_stop(settings: Settings, stop: asyncio.Event, *, exclusive: bool) -> None:
    """Serve until `stop` is set. A stop during the start ends the start."""
    started = asyncio.Event()
    serving = asyncio.create_task(serve_cloud(settings, stop, started, exclusive=exclusive))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not (started.is_set() or serving.done()):
        await cancel_and_wait(serving)
        return
    await serving


async def serve_cloud(settings: Settings, stop: asyncio.Event, started: asyncio.Event, *, exclusive: bool) -> None:
    """Start the cloud, then the HTTP server; stop them in the opposite order. Sets `started` between the two."""
    async with run_cloud(settings, exclusive=exclusive) as cloud:
        started.set()
        gc.set_threshold(*GARBAGE_THRESHOLDS)
        gc.enable()
        server = make_http_server(settings, cloud)
        listener, health_listener = open_listeners(settings)
        serving = asyncio.create_task(server.serve([listener]))
        ready = asyncio.create_task(_announce_when_ready(settings, cloud, exclusive=exclusive))
        ready.add_done_callback(lambda _: stop_after_failure(ready, stop))
        stopping = asyncio.create_task(stop.wait())
        with answer_health_checks(server, cloud.app, health_listener):
            await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            raise StartError(f"The HTTP server stopped unexpectedly: {serving.exception()}")
        ready.cancel()
        cloud.app_state.stop_waiting()
        server.should_exit = True
        await serving
        await asyncio.wait({ready})
        raise_failure(ready)
    LOG.info("Stopped")


def open_listeners(settings: Settings) -> tuple[socket.socket, socket.socket | None]:
    """Listen on the port of the API, and on that of health checks if there is one. Raises StartError."""
    address = resolve_host(settings.host)
    with explain_port_errors(settings.host, settings.port, "--port"):
        listener = listen(address, settings.port)
    if not settings.health_port:
        return listener, None
    try:
        with explain_port_errors(settings.host, settings.health_port, "--health-port"):
            return listener, listen(address, settings.health_port)
    except StartError:
        listener.close()
        raise


def make_http_server(settings: Settings, cloud: RunningCloud) -> HttpServer:
    """Create the HTTP server of a running cloud, with the limits that the settings give."""
    limits = ConnectionLimits(
        total=settings.connection_limit,
        per_peer=settings.connection_limit_per_peer,
        header_timeout=settings.header_timeout,
        body_timeout=settings.body_timeout,
        idle_timeout=settings.idle_timeout,
    )
    websockets = cloud.drivers.any_has(SupportsScreenStreams)
    return HttpServer(
        cloud.app,
        limits,
        websockets=websockets,
        drain_seconds=DRAIN_SECONDS,
        trusted_proxies=settings.trusted_proxies,
        answer_immediately=find_immediate_answers(settings, cloud),
        find_answer=find_kept_answers(settings, cloud),
    )


def find_immediate_answers(settings: Settings, cloud: RunningCloud) -> AnswerImmediately | None:
    """Return what answers lookups at once, if they never wait and the client's address needs no other look."""
    answers = _kept_answers(settings, cloud)
    return answers.find_at_once if answers and isinstance(cloud.app_state.db, Sqlite) else None


def find_kept_answers(settings: Settings, cloud: RunningCloud) -> FindAnswer | None:
    """Return what finds kept answers, if lookups wait."""
    answers = _kept_answers(settings, cloud)
    return answers.find if answers and not isinstance(cloud.app_state.db, Sqlite) else None


def _kept_answers(settings: Settings, cloud: RunningCloud) -> ImmediateAnswers | None:
    answers: ImmediateAnswers | None = cloud.app.state.immediate_answers
    return None if settings.trusted_proxies else answers


async def _announce_when_ready(settings: Settings, cloud: RunningCloud, *, exclusive: bool) -> None:
    await wait_until_ready(settings)
    if exclusive:
        keys = ApiKeyAdmin(cloud.app_state.tenants_db, cloud.app_state.now())
        async with ensure_key_of_start(settings, lambda: nullcontext(keys)) as settings_with_key:
            report = await complete_start(settings_with_key, resolve_host(settings.host))
        ticket = await keys.create_console_ticket() if has_terminal() else ""
        print_connection_help(settings, cloud.first_token, ticket)
        print_start_failures(report)
        notify_service_manager(READY)
    # Objects that exist by now are kept for good: exclude them from garbage collection.
    gc.freeze()
    LOG.info("Ready")


if __name__ == "__main__":
    serve_as_worker()
