"""`pileus sim http`: let operations of the API fail, wait or lose their connection, to test clients."""

from collections.abc import Callable
from typing import Any

import click

from pileus.cli.commands import LazySectionedGroup, SectionedCommand, UsageError
from pileus.cli.control import ControlClient, quote_path_segment
from pileus.cli.output import add_output_option, show_table
from pileus.cli.sim import add_server_options

FAULT_COLUMNS = ("id", "kind", "selection", "effect", "times", "skip", "probability", "matches", "hits")
OPERATION_COLUMNS = ("operation", "method", "path")
EXAMPLES = (
    ("Answer the next two creations of an instance with 503", "pileus sim http respond create_instance --times 2"),
    ("Answer every list request with 429", "pileus sim http respond 'list_*' --status 429 --retry-after 2"),
    ("Delay every request by one to three seconds", "pileus sim http delay --seconds 1 --max-seconds 3"),
    ("Create a volume, but lose the answer", "pileus sim http lose-answer create_volume --times 1"),
    (
        "Close a tenth of all connections, the same ones each time",
        "pileus sim http disconnect --probability 0.1 --seed 7",
    ),
)
SELECTION = ("operation", "method", "path", "client_id", "project_id")
EFFECT = ("status", "retry_after", "seconds", "max_seconds", "message")
ACTS = {
    "respond": "Answering",
    "delay": "Delaying",
    "disconnect": "Disconnecting",
    "truncate": "Truncating the answers to",
    "lose_answer": "Losing the answers to",
}
"""How the sentence about a fault begins, by its kind."""
Function = Callable[..., Any]


@click.group("http", cls=LazySectionedGroup, examples=EXAMPLES)
def http() -> None:
    """Let operations of the API fail, wait or lose their connection.

    The commands need an operator's key. A fault applies to the operation OPERATION (`pileus sim http operations` lists
    them; `*` stands for any text), or to all, of all tenants, until it is released.
    """


def add_condition_options(function: Function) -> Function:
    """Add the argument OPERATION and the options that say which requests a fault hits, and pass a `control`."""
    for option in reversed(
        (
            click.argument("operation", required=False),
            click.option("--method", help="Only requests with this method."),
            click.option("--path", help="Only requests with this path; a part * stands for any text, ** for the rest."),
            click.option("--client", "client_id", type=int, metavar="ID", help="Only requests of this tenant."),
            click.option("--project", "project_id", type=int, metavar="ID", help="Only requests in this project."),
            click.option("--times", type=click.IntRange(min=1), help="The number of requests; default: all."),
            click.option("--skip", type=click.IntRange(min=0), help="The number of requests that pass before."),
            click.option(
                "--probability",
                type=click.FloatRange(0, 1, min_open=True),
                help="The part of the requests that the fault applies to.",
            ),
            click.option("--seed", type=int, help="Choose the same requests as an earlier fault with this seed."),
            add_server_options,
        )
    ):
        function = option(function)
    return function


@http.command("respond", cls=SectionedCommand, examples=EXAMPLES[:2])
@click.option("--status", type=int, default=503, show_default=True, help="The status of the answer.")
@click.option("--message", help="The message of the answer.")
@click.option("--retry-after", type=click.IntRange(min=0), metavar="SECONDS", help="When clients may try again.")
@add_condition_options
def respond(control: ControlClient, **fault: Any) -> None:
    """Answer requests with an error instead of the operation."""
    _inject(control, "respond", fault)


@http.command("delay", cls=SectionedCommand, examples=EXAMPLES[2:3])
@click.option("--seconds", type=float, required=True, help="How long the requests wait.")
@click.option("--max-seconds", type=float, help="Wait a random time up to this one.")
@add_condition_options
def delay(control: ControlClient, **fault: Any) -> None:
    """Let requests wait before the operation."""
    _inject(control, "delay", fault)


@http.command("disconnect", cls=SectionedCommand, examples=EXAMPLES[4:])
@add_condition_options
def disconnect(control: ControlClient, **fault: Any) -> None:
    """Close the connection of requests instead of the operation."""
    _inject(control, "disconnect", fault)


@http.command("truncate", cls=SectionedCommand)
@add_condition_options
def truncate(control: ControlClient, **fault: Any) -> None:
    """Close the connection of requests in the middle of the answer. The operation has taken place."""
    _inject(control, "truncate", fault)


@http.command("lose-answer", cls=SectionedCommand, examples=EXAMPLES[3:4])
@add_condition_options
def lose_answer(control: ControlClient, **fault: Any) -> None:
    """Close the connection of requests after the operation, without an answer."""
    _inject(control, "lose_answer", fault)


@http.command("faults", cls=SectionedCommand)
@add_output_option
@add_server_options
def list_http_faults(control: ControlClient, output: str) -> None:
    """List the faults with the number of requests that they have selected (matches) and hit."""
    faults = [
        {**fault, "selection": _describe(fault, SELECTION) or "all requests", "effect": _describe(fault, EFFECT)}
        for fault in control.call("GET", "/http_faults")
    ]
    show_table(faults, FAULT_COLUMNS, output, "No operation fails, waits or loses its connection.")


@http.command("release", cls=SectionedCommand)
@click.argument("fault_id", required=False)
@click.option("--all", "is_all", is_flag=True, help="Release all faults of HTTP.")
@add_server_options
def release_http_faults(control: ControlClient, fault_id: str | None, *, is_all: bool) -> None:
    """Release the fault FAULT_ID, or --all. Requests that it delays go on."""
    if is_all == bool(fault_id):
        raise UsageError("name a fault (`pileus sim http faults` lists them), or --all")
    control.call("DELETE", "/http_faults" if is_all else f"/http_faults/{quote_path_segment(fault_id)}")
    click.echo("Released all." if is_all else f"Released {fault_id}.")


@http.command("operations", cls=SectionedCommand)
@click.argument("text", required=False)
@add_output_option
@add_server_options
def list_operations(control: ControlClient, text: str | None, output: str) -> None:
    """List the operations of the API, or those that contain TEXT in their id or path."""
    rows = control.call("GET", "/http_operations")
    if text:
        rows = [row for row in rows if text in row["operation"] or text in row["path"]]
    show_table(rows, OPERATION_COLUMNS, output, "There is no such operation.")


def _inject(control: ControlClient, kind: str, fault: dict[str, Any]) -> None:
    body = {name: value for name, value in fault.items() if value is not None}
    if body.get("method"):
        body["method"] = body["method"].upper()
    injected = control.call("POST", "/http_faults", {**body, "kind": kind})
    click.echo(f"{_sentence(injected)}. To stop that: pileus sim http release {injected['id']}")


def _sentence(fault: dict[str, Any]) -> str:
    """Say what a fault does to which requests, and how often."""
    selection, effect = _describe(fault, SELECTION), _describe(fault, EFFECT)
    target = (
        f"requests of {selection}"
        if fault["operation"]
        else f"requests with {selection}"
        if selection
        else "all requests"
    )
    parts = [f"{ACTS[fault['kind']]} {target}", effect]
    parts += [f"{fault['times']} time{'s' * (fault['times'] > 1)}"] if fault["times"] else []
    parts += [f"probability {fault['probability']} with seed {fault['seed']}"] if fault["probability"] < 1 else []
    return ", ".join(part for part in parts if part)


def _describe(fault: dict[str, Any], names: tuple[str, ...]) -> str:
    """Return the fields that are set, in one line; the operation comes without its name."""
    texts = [
        str(fault[name]) if name == "operation" else f"{name.replace('_', ' ')} {fault[name]}"
        for name in names
        if fault.get(name) is not None
    ]
    return ", ".join(texts)
