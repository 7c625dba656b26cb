"""A server in a thread of this process."""

import asyncio
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from typing import Any

import uvloop

from pileus.app import run_cloud
from pileus.seeds import seed_cloud
from pileus.server.process import make_http_server
from pileus.settings import Settings

Stop = Callable[[], object]


@contextmanager
def serve_in_thread(settings: Settings, listener: socket.socket) -> Iterator[None]:
    """Serve on a listening socket, from an event loop of its own. The server is ready when this yields."""
    ready: Future[Stop] = Future()
    ended: Future[None] = Future()
    # A daemon: a program that ends without leaving the context must not wait for the server.
    thread = threading.Thread(target=_run_server, args=(settings, listener, ready, ended), name="pileus", daemon=True)
    thread.start()
    futures: list[Future[Any]] = [ready, ended]
    wait(futures, return_when=FIRST_COMPLETED)
    if ended.done():
        ended.result()
    try:
        yield
    finally:
        # When the interpreter ends, threads do not run any more: nothing would answer.
        if not sys.is_finalizing():
            ready.result()()
            ended.result()
            thread.join()


def _run_server(settings: Settings, listener: socket.socket, ready: Future[Stop], ended: Future[None]) -> None:
    try:
        uvloop.run(_serve(settings, listener, ready))
    except BaseException as failure:  # noqa: BLE001  # the thread that waits raises it
        ended.set_exception(failure)
    else:
        ended.set_result(None)


async def _serve(settings: Settings, listener: socket.socket, ready: Future[Stop]) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    async with run_cloud(settings, exclusive=True) as cloud:
        server = make_http_server(settings, cloud)
        serving = asyncio.create_task(server.serve([listener]))
        try:
            await seed_cloud(settings, settings.host)
            ready.set_result(lambda: loop.call_soon_threadsafe(stop.set))
            await stop.wait()
        finally:
            cloud.app_state.stop_waiting()
            server.should_exit = True
            await serving
