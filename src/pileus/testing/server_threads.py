"""A server in a thread of this process."""

import asyncio
import gc
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, field

import uvloop

from pileus.app import run_cloud
from pileus.server.process import make_http_server
from pileus.server.start_steps import complete_start, prepare_start_report
from pileus.settings import Settings
from pileus.tasks.cancellation import cancel_and_wait

Stop = Callable[[], object]


@dataclass(slots=True)
class ServerThread:
    """What a server in a thread reports: how to stop it, that it is ready, and that it has ended."""

    stop: "Future[Stop]" = field(default_factory=Future)
    ready: "Future[None]" = field(default_factory=Future)
    ended: "Future[None]" = field(default_factory=Future)


@contextmanager
def serve_in_thread(settings: Settings, listener: socket.socket) -> Iterator[None]:
    """Serve on a listening socket, from an event loop of its own. The server is ready when this yields."""
    server = ServerThread()
    # A daemon: a program that ends without leaving the context must not wait for the server.
    thread = threading.Thread(target=_run_server, args=(settings, listener, server), name="pileus", daemon=True)
    thread.start()
    try:
        with _pause_garbage_collection():
            wait([server.ready, server.ended], return_when=FIRST_COMPLETED)
        if server.ended.done():
            server.ended.result()
        yield
    finally:
        # When the interpreter ends, threads do not run any more: nothing would answer.
        if not sys.is_finalizing():
            if not server.ended.done():
                server.stop.result()()
            server.ended.result()
            thread.join()


@contextmanager
def _pause_garbage_collection() -> Iterator[None]:
    """Collect no garbage: a start makes objects that last, and looking at them takes a third of its time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _run_server(settings: Settings, listener: socket.socket, server: ServerThread) -> None:
    try:
        uvloop.run(_serve(settings, listener, server))
    except BaseException as failure:  # noqa: BLE001  # the thread that waits raises it
        server.ended.set_exception(failure)
    else:
        server.ended.set_result(None)


async def _serve(settings: Settings, listener: socket.socket, server: ServerThread) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    server.stop.set_result(lambda: loop.call_soon_threadsafe(stop.set))
    prepare_start_report(settings)
    async with run_cloud(settings, exclusive=True) as cloud:
        http_server = make_http_server(settings, cloud)
        serving = asyncio.create_task(http_server.serve([listener]))
        try:
            await _complete_start(settings, stop, server)
            await stop.wait()
        finally:
            cloud.app_state.stop_waiting()
            http_server.should_exit = True
            await serving


async def _complete_start(settings: Settings, stop: asyncio.Event, server: ServerThread) -> None:
    """Complete the start, unless the server is stopped meanwhile."""
    completing = asyncio.create_task(complete_start(settings, settings.host))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({completing, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if completing.done():
        completing.result()
        server.ready.set_result(None)
    await cancel_and_wait(completing, stopping)
