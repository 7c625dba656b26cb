"""Start scripts: the files of a directory that a start runs, in the order of their names.

They are programs of the operator: they have the rights of the server and a key of an operator. A program that is not
executable, but has the suffix of a shell or Python script, is run by the shell or by this Python.
"""

import asyncio
import errno
import logging
import os
import signal
import sys
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from pileus.client_variables import client_variables_of_project, default_region, read_api_key
from pileus.initial_data import PROJECT
from pileus.server.service_manager import SOCKET, WATCHDOG_INTERVAL, WATCHDOG_PROCESS
from pileus.server.startup import StartError
from pileus.settings import Settings
from pileus.tasks.cancellation import cancel_and_wait

LOG = logging.getLogger("pileus.server")
SEED_SUFFIXES = (".toml", ".yaml", ".yml")
INTERPRETERS = {".py": sys.executable, ".sh": "/bin/sh"}
SERVICE_MANAGER_VARIABLES = (SOCKET, WATCHDOG_INTERVAL, WATCHDOG_PROCESS)
"""What only the server itself may use."""
STOP_SECONDS = 3.0
"""Seconds that a script gets to stop before it is killed."""
OUTPUT_SECONDS = 1.0
"""Seconds for the rest of its output, which programs hold open that it has left in the background."""
LONGEST_LINE, LAST_LINES = 4096, 10
CHUNK = 1 << 16


def list_start_scripts(directory: Path) -> list[Path]:
    """Return the scripts and seed files of a directory, in order. Raises StartError if it cannot be read."""
    try:
        files = sorted(file for file in directory.iterdir() if file.is_file() and not file.name.startswith("."))
    except OSError as problem:
        reason = problem.strerror
        raise StartError(f"{directory} cannot be read: {reason}: name another with --start-scripts") from problem
    return [file for file in files if is_seed_file(file) or _command_of(file)]


def list_ignored_files(directory: Path) -> list[str]:
    """Return the names of files that are no scripts; most of them only lack the right to be executed."""
    scripts = list_start_scripts(directory)
    return sorted(
        file.name
        for file in directory.iterdir()
        if file.is_file() and not file.name.startswith(".") and file not in scripts
    )


def is_seed_file(file: Path) -> bool:
    """Return whether a file is a seed file, by its suffix."""
    return file.suffix.lower() in SEED_SUFFIXES


def make_script_environment(settings: Settings, url: str) -> dict[str, str]:
    """Return the environment of scripts: that of the server, and the variables of all clients. Raises NoApiKey."""
    variables = client_variables_of_project(url, read_api_key(settings), PROJECT, default_region(settings))
    inherited = {name: value for name, value in os.environ.items() if name not in SERVICE_MANAGER_VARIABLES}
    # The program `pileus` of this installation, if the path has none.
    path = os.pathsep.join(filter(None, (os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent))))
    return {**inherited, "PATH": path, **variables}


async def run_start_script(file: Path, environment: Mapping[str, str]) -> str:
    """Run a script to its end, and log its output; return why it has failed, or an empty text.

    If this is cancelled, the script is stopped, with all that it has started.
    """
    try:
        process = await _start(file, environment)
    except OSError as problem:
        LOG.exception("A start script cannot be run", extra={"script": file.name})
        return f"it cannot be run: {problem.strerror}"
    last_lines: deque[str] = deque(maxlen=LAST_LINES)
    reading = asyncio.create_task(_log_output(process, file.name, last_lines))
    try:
        code = await process.wait()
        await asyncio.wait({reading}, timeout=OUTPUT_SECONDS)
    except asyncio.CancelledError:
        await _stop_group(process)
        raise
    finally:
        await cancel_and_wait(reading)
    if code == 0:
        return ""
    reason = f"exit code {code}" if code > 0 else f"ended by {signal.Signals(-code).name}"
    LOG.error("A start script has failed", extra={"script": file.name, "why": reason, "output": "\n".join(last_lines)})
    return reason


def _command_of(file: Path) -> list[str]:
    """Return the command line of a script; an empty list if the file is none."""
    path = str(file.absolute())
    if os.access(file, os.X_OK):
        return [path]
    interpreter = INTERPRETERS.get(file.suffix.lower())
    return [interpreter, path] if interpreter else []


async def _start(file: Path, environment: Mapping[str, str]) -> asyncio.subprocess.Process:
    """Start the process of a script. Raises OSError."""
    command = _command_of(file)
    try:
        return await _start_command(command, file, environment)
    except OSError as problem:
        interpreter = INTERPRETERS.get(file.suffix.lower() or ".sh")
        if problem.errno != errno.ENOEXEC or interpreter is None:
            raise
        # No first line names the interpreter.
        return await _start_command([interpreter, *command], file, environment)


async def _start_command(command: list[str], file: Path, environment: Mapping[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=file.parent,
        env=environment,
        # Ctrl-C reaches only the server, which stops the script with all that it has started.
        start_new_session=True,
    )


async def _stop_group(process: asyncio.subprocess.Process) -> None:
    """End a script and the processes that it has started."""
    _signal_group(process, signal.SIGTERM)
    with suppress(TimeoutError):
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    _signal_group(process, signal.SIGKILL)
    await process.wait()


def _signal_group(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


async def _log_output(process: asyncio.subprocess.Process, name: str, last_lines: "deque[str]") -> None:
    """Log each line of the output, and keep the last ones."""
    assert process.stdout is not None  # noqa: S101  # PIPE was requested
    rest = b""
    while chunk := await process.stdout.read(CHUNK):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            _log_line(line, name, last_lines)
        # A line without an end must not grow in memory.
        if len(rest) > LONGEST_LINE:
            _log_line(rest, name, last_lines)
            rest = b""
    if rest:
        _log_line(rest, name, last_lines)


def _log_line(line: bytes, name: str, last_lines: "deque[str]") -> None:
    text = line[:LONGEST_LINE].decode("utf-8", "replace").rstrip()
    if text:
        last_lines.append(text)
        LOG.info("Output of a start script", extra={"script": name, "line": text})
