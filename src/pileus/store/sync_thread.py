"""A thread that waits for the disk in the event loop's place; a pool would cost a commit twice the time to reach."""

import asyncio
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any

Job = tuple[asyncio.AbstractEventLoop, asyncio.Future[Any], Callable[..., Any], tuple[Any, ...]]


class SyncThread:
    """Does one thing after the other."""

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    async def do(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function in the thread; what it raises is raised here."""
        loop = asyncio.get_running_loop()
        answer = loop.create_future()
        self._jobs.put((loop, answer, function, arguments))
        return await answer

    def shutdown(self) -> None:
        """Finish what was begun, and end the thread."""
        self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            loop, answer, function, arguments = job
            try:
                result, error = function(*arguments), None
            except Exception as failure:  # noqa: BLE001  # told to whoever asked
                result, error = None, failure
            loop.call_soon_threadsafe(_settle, answer, result, error)


def _settle(answer: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    if answer.done():
        return
    if error is None:
        answer.set_result(result)
    else:
        answer.set_exception(error)
