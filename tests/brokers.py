"""A RabbitMQ message broker from the system's packages, on private ports."""

import asyncio
import os
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import aiormq
import pytest
from aiormq.abc import AbstractChannel, DeliveredMessage

from tests.servers import free_port

TIMEOUT = 60
DIRECTORIES = ("/usr/lib/rabbitmq/bin", "/usr/sbin", os.environ.get("PATH", ""))


@asynccontextmanager
async def open_channel(connection_string: str, queue: str) -> AsyncIterator[AbstractChannel]:
    """Open a channel and declare a queue."""
    connection = await aiormq.connect(connection_string)
    try:
        channel = await connection.channel()
        await channel.queue_declare(queue)
        yield channel
    finally:
        await connection.close()


async def receive_message(channel: AbstractChannel, queue: str) -> DeliveredMessage:
    """Wait for the next message of a queue."""
    async with asyncio.timeout(TIMEOUT):
        while True:
            message = await channel.basic_get(queue, no_ack=True)
            if message.header.properties.message_id is not None:
                return message
            await asyncio.sleep(0.05)


@contextmanager
def run_broker(folder: Path) -> Iterator[str]:
    """Run a broker; yields its connection string. Skips the test if RabbitMQ is not installed, except in CI."""
    program = shutil.which("rabbitmq-server", path=os.pathsep.join(DIRECTORIES))
    if program is None:
        assert os.environ.get("CI") != "true", "CI requires RabbitMQ: see .ci/run"
        pytest.skip("no RabbitMQ: apt-get install rabbitmq-server")
    port, mapper_port = free_port(), free_port()
    environment = _environment(folder, port, mapper_port)
    with (folder / "rabbitmq.log").open("w") as log:
        process = subprocess.Popen([program], env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait_until_ready(process, port, folder)
        yield f"amqp://guest:guest@127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait(TIMEOUT)
        # The port mapper of Erlang outlives the broker.
        subprocess.run(["epmd", "-port", str(mapper_port), "-kill"], check=False, capture_output=True)


def _environment(folder: Path, port: int, mapper_port: int) -> dict[str, str]:
    folders = {name: str(folder) for name in ("HOME", "RABBITMQ_MNESIA_BASE", "RABBITMQ_LOG_BASE")}
    return {
        **os.environ,
        **folders,
        "RABBITMQ_NODENAME": f"pileus-{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_CONFIG_FILE": str(folder / "none"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "ERL_CRASH_DUMP": str(folder / "crash.dump"),
        "ERL_EPMD_PORT": str(mapper_port),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
    }


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    end = time.monotonic() + TIMEOUT
    while time.monotonic() < end and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise AssertionError(f"RabbitMQ does not start: {(folder / 'rabbitmq.log').read_text()[-2000:]}")
