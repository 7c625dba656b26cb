"""`pileus requests`: show what clients have sent to a simulated cloud, and what it has answered."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any

import click

from pileus.cli.commands import CommandError, LazySectionedGroup, SectionedCommand, UsageError
from pileus.cli.control import ControlClient, quote_path_segment
from pileus.cli.curl_commands import curl_command
from pileus.cli.output import add_output_option, print_record, show_table
from pileus.cli.request_streams import follow_events
from pileus.cli.sim import add_server_options

COLUMNS = ("id", "time", "method", "path", "status", "ms", "operation", "unread")
ID_LENGTH = 8
"""Characters of a request id in a table: as many as `show` needs."""
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
EXAMPLES = (
    ("List the last requests", "pileus requests"),
    ("Follow the requests that are refused", "pileus requests --follow --status '>=400'"),
    ("List requests with fields or parameters that nothing reads", "pileus requests --unread"),
    ("Show a request and its answer with both bodies", "pileus requests show 3f2a91c0"),
)
Function = Callable[..., Any]


def _parse_since(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """Return a time for the API: a time as it is, and an age such as `10m` as the time that long ago."""
    if value is None or value[-1:] not in UNITS or not value[:-1].isdecimal():
        return value
    try:
        moment = datetime.now(UTC) - timedelta(**{UNITS[value[-1]]: int(value[:-1])})
    except OverflowError:
        raise UsageError(f"--since {value} is too long ago") from None
    return moment.isoformat()


FILTERS = (
    click.option("--operation", help="The operation, as the API reference names it: update_instance."),
    click.option("--method", help="The method: GET."),
    click.option("--path", help="A part of the path."),
    click.option("--status", help="The status of the answer: 404, 4xx or '>=400'."),
    click.option("--project", "project_id", type=click.IntRange(min=0), metavar="ID", help="The project in the path."),
    click.option("--client", "client_id", type=click.IntRange(min=0), metavar="ID", help="The tenant of the key."),
    click.option(
        "--since", callback=_parse_since, help="The earliest start: a time, or an age such as 30s, 10m or 2h."
    ),
    click.option("--unread", is_flag=True, default=None, help="Only requests with fields or parameters nobody reads."),
    click.option("--text", help="A text in the path, the query, the program or the bodies."),
)


def add_filters(function: Function) -> Function:
    """Add the options that select requests to a command, and pass it a `selection`."""

    @wraps(function)
    def select(**options: Any) -> Any:
        names = ("operation", "method", "path", "status", "project_id", "client_id", "since", "unread", "text")
        selection = {name: options.pop(name) for name in names}
        return function(selection={name: value for name, value in selection.items() if value is not None}, **options)

    for option in reversed(FILTERS):
        select = option(select)
    return select


@click.group(cls=LazySectionedGroup, examples=EXAMPLES, invoke_without_command=True)
@click.option("--follow", "-f", is_flag=True, help="Show requests as they come, until Ctrl-C.")
@click.option("--limit", "-n", type=click.IntRange(1, 1000), default=20, show_default=True, help="The most requests.")
@add_filters
@add_output_option
@add_server_options
def requests(control: ControlClient, selection: dict[str, Any], output: str, limit: int, *, follow: bool) -> None:
    """Show the last requests and their answers, the newest last.

    A server with simulated machines on loopback keeps them in memory, without secrets. The commands need an operator's
    key: GCORE_BASE_URL and GCORE_API_KEY as `pileus serve` prints them.
    """
    if follow:
        _follow_requests(control, selection, output)
        return
    exchanges = control.call("GET", "/requests", parameters={**selection, "limit": limit})["results"]
    is_whole = output in ("json", "yaml")
    rows = [{**_table_row(exchange), **(exchange if is_whole else {})} for exchange in exchanges]
    show_table(rows, COLUMNS, output, "No requests.")


@requests.command(
    "show",
    cls=SectionedCommand,
    examples=(EXAMPLES[3], ("Print it as a curl command", "pileus requests show 3f2a91c0 --curl")),
)
@click.argument("request_id")
@click.option("--curl", "as_curl", is_flag=True, help="Print a curl command that repeats the request.")
@add_output_option
@add_server_options
def show_request(control: ControlClient, request_id: str, output: str, *, as_curl: bool) -> None:
    """Show the request REQUEST_ID, or the last one whose id begins like this, with its answer."""
    exchange = control.call("GET", f"/requests/{quote_path_segment(request_id)}")
    if not as_curl:
        print_record(_without_empty_bodies(exchange) if output == "table" else exchange, output)
        return
    if not exchange["request_body"]["is_complete"]:
        raise CommandError("the log does not have the whole body of this request")
    command = curl_command(exchange)
    click.echo(command)
    if "(hidden)" in command:
        click.echo("Secrets are not in the log: replace (hidden) by them.", err=True)


@requests.command("clear", cls=SectionedCommand)
@add_server_options
def clear_requests(control: ControlClient) -> None:
    """Remove all requests from the log."""
    control.call("DELETE", "/requests")
    click.echo("The log is empty.")


def _follow_requests(control: ControlClient, selection: Mapping[str, Any], output: str) -> None:
    try:
        for name, content in follow_events(control, selection):
            if name == "missed":
                click.echo(f"{content['count']} requests came too fast to be shown.", err=True)
            elif output == "json":
                click.echo(json.dumps(content))
            else:
                click.echo(_line(content))
    except KeyboardInterrupt:
        # The usual way to end it.
        return


def _table_row(exchange: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": exchange["request_id"][:ID_LENGTH],
        "time": exchange["started_at"][11:23],
        "method": exchange["method"],
        "path": exchange["path"] + (f"?{exchange['query']}" if exchange["query"] else ""),
        "status": exchange["status"],
        "ms": exchange["milliseconds"],
        "operation": exchange["operation"],
        "unread": [_unread_text(unread) for unread in exchange["unread"]],
    }


def _unread_text(unread: Mapping[str, Any]) -> str:
    """Name an input that nothing has read, with its kind if somebody knows it."""
    name = f"?{unread['name']}" if unread["place"] == "query" else unread["name"]
    return name if unread["kind"] == "unknown" else f"{name} ({unread['kind'].replace('_', ' ')})"


def _line(exchange: Mapping[str, Any]) -> str:
    row = _table_row(exchange)
    unread = f"  unread: {', '.join(row['unread'])}" if row["unread"] else ""
    status = row["status"] or "-"
    return f"{row['id']}  {row['time']}  {status}  {row['ms']:8.2f} ms  {row['method']:6} {row['path']}{unread}"


def _without_empty_bodies(exchange: Mapping[str, Any]) -> dict[str, Any]:
    bodies = ("request_body", "response_body")
    return {name: value for name, value in exchange.items() if name not in bodies or value["size"]}
