"""Print how to reach the server as soon as it is ready."""

import asyncio
import logging
import os
import shlex
import sys

import msgspec

from pileus.client_variables import SDK, command_line, env_command_line, variables_of
from pileus.domain.start_reports import FAILED, StartReport
from pileus.private_files import KEY_FILE
from pileus.setting_fields import without_password
from pileus.settings import Settings

TICKET_NOTE = " (signs in once, within 10 minutes; then: pileus console)"
LOG = logging.getLogger("pileus.server")
NO_ANSWER = "does not answer"
FIRST_PAUSE, LONGEST_PAUSE = 0.01, 1.0
"""Seconds until the next request; doubled each time that the server answers that it is not ready."""


async def wait_until_ready(settings: Settings) -> None:
    """Return when the server is ready. Log each reason why it is not ready once."""
    pause, logged = FIRST_PAUSE, ""
    while reason := await _reason_not_ready(settings.host, settings.port):
        if reason not in (NO_ANSWER, logged):
            LOG.warning("Not ready yet", extra={"why": reason})
        if reason != NO_ANSWER:
            pause, logged = min(2 * pause, LONGEST_PAUSE), reason
        await asyncio.sleep(pause)


def print_connection_help(settings: Settings, first_token: str | None, ticket: str = "") -> None:
    """Print the variables that clients need, ready to paste into a shell, and the address of the web console.

    A new key is shown only on a terminal, and so is a ticket of the console: see `has_terminal`.
    """
    variables = variables_of(SDK, settings, _key_for_display(settings, first_token))
    exports = "\n".join(f"export {name}={value}" for name, value in variables.items())
    sys.stdout.write(
        f"""Pileus is ready.

{exports}

Web console: {console_url(settings, ticket)}{TICKET_NOTE if ticket else ""}
Other clients and terminals: eval "$({env_command_line(settings)})"
API reference: {settings.base_url}/schema      Documentation: {settings.base_url}/docs      Ctrl-C stops.
"""
    )
    sys.stdout.flush()


def print_start_failures(report: StartReport) -> None:
    """Print which start scripts have failed, if any have."""
    if report.state == FAILED:
        sys.stdout.write(f"\n{report.message}. See the log.\n")
        sys.stdout.flush()


def has_terminal() -> bool:
    """Return whether secrets may be printed. What is not a terminal may be a log file, which others read."""
    return sys.stdout.isatty()


def console_url(settings: Settings, ticket: str) -> str:
    """Return the address of the web console. Browsers send no part behind the `#`, so that a ticket is not logged."""
    return f"{settings.base_url}/#ticket={ticket}" if ticket else f"{settings.base_url}/"


def _key_for_display(settings: Settings, first_token: str | None) -> str:
    if settings.api_key:
        return '"$PILEUS_API_KEY"' if os.environ.get("PILEUS_API_KEY") else "(the one that you have set)"
    if first_token and has_terminal():
        return first_token
    file = settings.data.resolve() / KEY_FILE
    return f"$(cat {shlex.quote(str(file))})" if file.exists() else f"$({_key_command_line(settings)})"


def _key_command_line(settings: Settings) -> str:
    """Return a command line that creates a key and prints it; the password of a database is left out."""
    if not settings.database:
        return command_line("keys", "create", "NAME", "--data", str(settings.data.absolute()))
    url = (
        '"$PILEUS_DATABASE"' if os.environ.get("PILEUS_DATABASE") else shlex.quote(without_password(settings.database))
    )
    return f"{command_line('keys', 'create', 'NAME', '--database')} {url}"


async def _reason_not_ready(host: str, port: int) -> str:
    """Ask the server whether it is ready; return its reason if it is not, and an empty string if it is."""
    try:
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(f"GET /readyz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    except OSError:
        return NO_ANSWER
    writer.close()
    if b" 200 " in head.partition(b"\r\n")[0]:
        return ""
    return str(msgspec.json.decode(body)["message"]) if body else NO_ANSWER
