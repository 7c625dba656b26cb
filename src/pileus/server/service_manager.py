"""Tell systemd what the server does, by the protocol of sd_notify(3): a datagram to the socket in $NOTIFY_SOCKET.

Without systemd there is no such variable, and nothing is sent.
"""

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

LOG = logging.getLogger("pileus.server")
SOCKET = "NOTIFY_SOCKET"
WATCHDOG_INTERVAL, WATCHDOG_PROCESS = "WATCHDOG_USEC", "WATCHDOG_PID"
READY, STOPPING, ALIVE = "READY=1", "STOPPING=1", "WATCHDOG=1"


def notify_service_manager(*messages: str) -> None:
    """Send messages to systemd, if it has started the server. A failure is logged: the server goes on."""
    address = os.environ.get(SOCKET, "")
    if not address.startswith(("/", "@")):
        return
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            # An @ stands for the zero byte with which an abstract address begins.
            sender.connect(address.replace("@", "\0", 1) if address.startswith("@") else address)
            sender.send("\n".join(messages).encode())
    except OSError:
        LOG.exception("systemd cannot be notified")


@asynccontextmanager
async def report_to_service_manager(stop: asyncio.Event) -> AsyncIterator[None]:
    """Tell systemd when the server stops, and ping it from the event loop, if it waits for that.

    systemd restarts a server whose loop hangs.
    """
    reports = [asyncio.create_task(_report_stop(stop))]
    if seconds := _watchdog_seconds():
        reports.append(asyncio.create_task(_ping_repeatedly(seconds / 3)))
    try:
        yield
    finally:
        for report in reports:
            report.cancel()


async def _report_stop(stop: asyncio.Event) -> None:
    await stop.wait()
    notify_service_manager(STOPPING)


def _watchdog_seconds() -> float:
    """Return the longest time between two pings; 0 if systemd waits for none of this process."""
    process, interval = os.environ.get(WATCHDOG_PROCESS, ""), os.environ.get(WATCHDOG_INTERVAL, "")
    is_for_another = process not in ("", str(os.getpid()))
    return 0 if is_for_another or not interval.isdecimal() else int(interval) / 1_000_000


async def _ping_repeatedly(seconds: float) -> None:
    while True:
        notify_service_manager(ALIVE)
        await asyncio.sleep(seconds)
