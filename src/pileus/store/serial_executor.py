"""A thread for blocking disk writes; a thread pool would double the latency of a commit."""

import asyncio
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any

PATIENCE = 10.0
"""Seconds to wait for the last function."""
Job = tuple[asyncio.AbstractEventLoop, asyncio.Future[Any], Callable[..., Any], tuple[Any, ...]]


class SerialExecutor:
    """Run functions in one thread, in order."""

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._thread = Thread(target=self._run_jobs, name=name, daemon=True)
        self._thread.start()

    async def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run a function in the thread and await its result; raises what it raises."""
        return await self.start(function, *arguments)

    def start(self, function: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
        """Run a function in the thread and return the future of its result."""
        loop = asyncio.get_running_loop()
        result = loop.create_future()
        self._jobs.put((loop, result, function, arguments))
        return result

    def shutdown(self) -> None:
        """Finish the queued functions and end the thread; a function that does not return is left alone."""
        self._jobs.put(None)
        self._thread.join(PATIENCE)

    def _run_jobs(self) -> None:
        while (job := self._jobs.get()) is not None:
            loop, future, function, arguments = job
            try:
                result, error = function(*arguments), None
            except Exception as exception:  # noqa: BLE001  # raised by `run` again
                result, error = None, exception
            loop.call_soon_threadsafe(_settle, future, result, error)


def _settle(future: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
