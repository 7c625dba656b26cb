"""Read the stream of the request log; a stream that breaks off is continued where it ended."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import click
import httpx

from pileus.cli.control import ControlClient

PAUSE = 0.5
"""Seconds between two attempts to reach the server."""
Event = tuple[str, Any]


def follow_events(
    control: ControlClient, selection: Mapping[str, Any], sleep: Callable[[float], None] = time.sleep
) -> Iterator[Event]:
    """Yield the names and the contents of events for ever. Raises CommandError if the server refuses the stream."""
    position: dict[str, str] = {}
    is_connected = has_been_connected = False
    while True:
        try:
            with control.open_stream("/requests/stream", selection, position) as response:
                is_connected = has_been_connected = True
                yield from _read_events(response.iter_lines(), position)
        except httpx.TransportError as error:
            if not has_been_connected:
                raise control.connection_error(error) from None
        if is_connected:
            click.echo(f"{control.connection.url} has ended the stream: waiting until it is back.", err=True)
            is_connected = False
        sleep(PAUSE)


def _read_events(lines: Iterable[str], position: dict[str, str]) -> Iterator[Event]:
    """Yield the events of a stream, and note the id of the last one as the header of a later request."""
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
            continue
        if fields.get("data"):
            yield fields.get("event", "message"), json.loads(fields["data"])
        if "id" in fields:
            position["Last-Event-ID"] = fields["id"]
        fields = {}
