"""`pileus sim clock`: freeze, set and advance the clock of the simulated cloud."""

import re
from typing import Any

import click

from pileus.cli.commands import LazySectionedGroup, SectionedCommand, UsageError
from pileus.cli.control import ControlClient
from pileus.cli.sim import add_server_options

CLOCK = "/clock"
UNITS = {"w": 7 * 86400, "d": 86400, "h": 3600, "m": 60, "s": 1}
"""Seconds."""
PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)([wdhms])")
EXAMPLES = (
    ("Stop the clock at the beginning of 2030", "pileus sim clock freeze 2030-01-01"),
    ("Let three days pass", "pileus sim clock advance 3d"),
    ("Show the real time again", "pileus sim clock reset"),
)


@click.group(cls=LazySectionedGroup, invoke_without_command=True, examples=EXAMPLES)
@add_server_options
def clock(control: ControlClient) -> None:
    """Freeze, set and advance the clock of the simulated cloud. Needs an operator's key.

    Without a command, show the clock. TIME is a date or a time in ISO 8601, in UTC unless it names an offset.
    """
    _print_clock(control.call("GET", CLOCK))


@clock.command("show", cls=SectionedCommand)
@add_server_options
def show_clock(control: ControlClient) -> None:
    """Show the time of the cloud."""
    _print_clock(control.call("GET", CLOCK))


@clock.command("freeze", cls=SectionedCommand, examples=EXAMPLES[:1])
@click.argument("time", required=False)
@add_server_options
def freeze_clock(control: ControlClient, time: str | None) -> None:
    """Stop the clock at TIME (default: at the time that it shows)."""
    body = {"frozen": True} if time is None else {"time": time, "frozen": True}
    _print_clock(control.call("PUT", CLOCK, body))


@clock.command("set", cls=SectionedCommand)
@click.argument("time")
@add_server_options
def set_clock_time(control: ControlClient, time: str) -> None:
    """Set the clock to TIME. A frozen clock stays frozen, a running one continues from there."""
    _print_clock(control.call("PUT", CLOCK, {"time": time}))


@clock.command("resume", cls=SectionedCommand)
@add_server_options
def resume_clock(control: ControlClient) -> None:
    """Let a frozen clock run again, from the time that it shows."""
    _print_clock(control.call("PUT", CLOCK, {"frozen": False}))


@clock.command("advance", cls=SectionedCommand, examples=(EXAMPLES[1], ("Mix units", "pileus sim clock advance 1h30m")))
@click.argument("duration")
@add_server_options
def advance_clock_by(control: ControlClient, duration: str) -> None:
    """Let the DURATION pass at once: schedules run as if it had passed. Units: w, d, h, m and s."""
    _print_clock(control.call("POST", f"{CLOCK}/advance", {"seconds": parse_duration(duration)}))


@clock.command("reset", cls=SectionedCommand)
@add_server_options
def show_real_time(control: ControlClient) -> None:
    """Let the clock show the real time again."""
    _print_clock(control.call("DELETE", CLOCK))


def parse_duration(text: str) -> float:
    """Return the seconds of a duration such as `1h30m`. Raises UsageError."""
    compact = text.replace(" ", "").lower()
    if not compact or PART.sub("", compact):
        raise UsageError(f"{text} is not a duration; use numbers with the units w, d, h, m and s, such as 3d or 1h30m")
    return sum(float(number) * UNITS[unit] for number, unit in PART.findall(compact))


def _print_clock(view: dict[str, Any]) -> None:
    state = "frozen" if view["frozen"] else f"{view['offset_seconds']:+.0f} s from the real time"
    click.echo(view["time"] if not (view["frozen"] or view["offset_seconds"]) else f"{view['time']} ({state})")
