"""`pileus sim`: make the simulated cloud hold, fail, run out of room, or show a state, to test clients against it."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from pileus.cli.clouds import KEY_VARIABLE, REGION_VARIABLE, URL, URL_VARIABLE
from pileus.cli.control import Control, quoted
from pileus.cli.formatting import Command, Group, Mistake
from pileus.cli.output import output_option, show

FAULTS = ("id", "kind", "task_type", "step", "times", "message")
EXAMPLES = (
    ("Let the next instance that is made fail, with a message", 'pileus sim fail create_vm --message "No valid host"'),
    (
        "Keep whatever starts waiting, look at it, and let it go on",
        "pileus sim hold start_vm && pileus sim release --all",
    ),
    ("Have no room for a flavor in region 1", "pileus sim capacity g1-standard-1-2 0"),
    ("Show an instance as rescued", "pileus sim state 3d5e… RESCUE"),
    ("Let machines take their time from now on", "pileus sim time realistic"),
)
Function = Callable[..., Any]


def control_options(function: Function) -> Function:
    """Give a command the options that say which server, and `control` to reach it."""

    @wraps(function)
    def connect(url: str, key: str | None, **more: Any) -> Any:
        return function(control=Control(url, key), **more)

    for option in (
        click.option("--key", envvar=KEY_VARIABLE, metavar="TOKEN", help=f"An administrator's key.  [{KEY_VARIABLE}]"),
        click.option(
            "--url",
            envvar=URL_VARIABLE,
            default=URL,
            help=f"The server.  [{URL_VARIABLE}; default: {URL}]",
        ),
    ):
        connect = option(connect)
    return connect


region = click.option(
    "--region",
    type=int,
    envvar=REGION_VARIABLE,
    default=1,
    metavar="ID",
    help=f"The region.  [{REGION_VARIABLE}; default: 1]",
)
step = click.option(
    "--step", help="Before which of its steps; without, the first (`pileus sim operations` tells them)."
)


@click.group(cls=Group, examples=EXAMPLES)
def sim() -> None:
    """Make the simulated cloud misbehave on demand.

    Works on a running server with the simulated driver, through its control endpoint, with an administrator's key:
    GCORE_BASE_URL and GCORE_API_KEY as `pileus serve` prints them.
    """


@sim.command(cls=Command, examples=(("Hold instances before they start", "pileus sim hold start_vm"),))
@click.argument("task_type", required=False)
@step
@click.option("--times", type=click.IntRange(min=1), help="How many tasks; without, every one until released.")
@control_options
def hold(control: Control, task_type: str | None, step: str | None, times: int | None) -> None:
    """Let tasks of TASK_TYPE (without: of any type) wait until they are released."""
    fault = control.call("POST", "/faults", _present(kind="hold", task_type=task_type, step=step, times=times))
    click.echo(f"Holding {_what(fault)}. To let go: pileus sim release {fault['id']}")


@sim.command(cls=Command, examples=(EXAMPLES[0], ("Fail all that is done, until released", "pileus sim fail --always")))
@click.argument("task_type", required=False)
@step
@click.option("--message", help="What the task's error says.")
@click.option("--times", type=click.IntRange(min=1), default=1, show_default=True, help="How many tasks.")
@click.option("--always", is_flag=True, help="Every one, until released.")
@control_options
def fail(  # each is an option
    control: Control, task_type: str | None, step: str | None, message: str | None, times: int, *, always: bool
) -> None:
    """Let tasks of TASK_TYPE (without: of any type) fail."""
    count = None if always else times
    order = _present(kind="fail", task_type=task_type, step=step, message=message, times=count)
    fault = control.call("POST", "/faults", order)
    often = "every time" if count is None else f"{count} time{'s' * (count > 1)}"
    click.echo(f"Failing {_what(fault)}, {often}. To stop that: pileus sim release {fault['id']}")


@sim.command(cls=Command)
@click.argument("fault_id", required=False)
@click.option("--all", "everything", is_flag=True, help="All faults there are.")
@control_options
def release(control: Control, fault_id: str | None, *, everything: bool) -> None:
    """End the fault FAULT_ID, or --all: what was held goes on, what failed works again."""
    if everything == bool(fault_id):
        raise Mistake("name a fault (`pileus sim faults` lists them), or --all")
    control.call("DELETE", "/faults" if everything else f"/faults/{quoted(fault_id)}")
    click.echo("Released all." if everything else f"Released {fault_id}.")


@sim.command(cls=Command)
@output_option
@control_options
def faults(control: Control, output: str) -> None:
    """List what is held and what fails."""
    show(control.call("GET", "/faults"), FAULTS, output, "Nothing is held, and nothing fails.")


@sim.command(
    cls=Command,
    examples=(EXAMPLES[2], ("As many as are asked for, again", "pileus sim capacity g1-standard-1-2 unlimited")),
)
@click.argument("flavor", required=False)
@click.argument("servers", required=False)
@region
@output_option
@control_options
def capacity(control: Control, flavor: str | None, servers: str | None, region: int, output: str) -> None:
    """Limit a FLAVOR to so many SERVERS in a region, or list the limits.

    SERVERS may be `unlimited`, which takes the limit away.
    """
    if flavor is None:
        show(control.call("GET", "/capacities"), ("region_id", "flavor_id", "servers"), output, "Nothing is limited.")
        return
    if servers is None or not (servers == "unlimited" or servers.isdecimal()):
        raise Mistake("say how many servers: a number, or unlimited")
    count = None if servers == "unlimited" else int(servers)
    control.call("PUT", f"/capacities/{region}/{quoted(flavor)}", {"servers": count})
    click.echo(f"Region {region} has room for {servers} of {flavor}.")


@sim.command(cls=Command, examples=(EXAMPLES[3],))
@click.argument("instance_id")
@click.argument("status")
@click.option("--vm-state", help="With this vm_state; without, the one that goes with the status.")
@control_options
def state(control: Control, instance_id: str, status: str, vm_state: str | None) -> None:
    """Show an instance in STATUS, as if that had happened to its machine.

    Any status of the API can be shown: ERROR, PAUSED, RESCUE, SHELVED, …
    """
    control.call("PUT", f"/machines/{quoted(instance_id)}", _present(status=status.upper(), vm_state=vm_state))
    click.echo(f"Instance {instance_id} is {status.upper()}.")


@sim.command(cls=Command)
@click.argument("mode", type=click.Choice(["instant", "realistic"]))
@control_options
def time(control: Control, mode: str) -> None:
    """Let machines take no time, or about as long as real ones, from now on."""
    control.call("PUT", "/time", {"mode": mode})
    click.echo(f"Time is {mode}.")


@sim.command(cls=Command)
@click.argument("instance_id")
@click.option("--reason", help="Why, as clients are told.")
@click.option("--off", is_flag=True, help="End the isolation.")
@control_options
def isolate(control: Control, instance_id: str, reason: str | None, *, off: bool) -> None:
    """Cut an instance off from its networks, as the provider does on abuse."""
    control.call("PUT", f"/instances/{quoted(instance_id)}/isolation", _present(isolated=not off, reason=reason))
    click.echo(f"Instance {instance_id} is {'reachable again' if off else 'isolated'}.")


@sim.command(cls=Command, examples=(("An alarm on an address", "pileus sim blackhole 192.0.2.7"),))
@click.argument("address", required=False)
@click.option("--alarm-state", default="ALARM", show_default=True, help="How far the alarm is.")
@click.option("--remove", metavar="ID", help="End this one instead.")
@region
@control_options
def blackhole(control: Control, address: str | None, alarm_state: str, remove: str | None, region: int) -> None:
    """Show an ADDRESS as blackholed by DDoS protection."""
    if (address is None) == (remove is None):
        raise Mistake("name an address, or --remove ID")
    if remove is not None:
        control.call("DELETE", f"/blackholes/{quoted(remove)}")
        click.echo(f"Blackhole {remove} is removed.")
        return
    order = {"region_id": region, "destination_ip": address, "alarm_state": alarm_state.upper()}
    made = control.call("POST", "/blackholes", order)
    click.echo(f"{address} is blackholed. To end that: pileus sim blackhole --remove {made['id']}")


@sim.command(cls=Command)
@output_option
@control_options
def operations(control: Control, output: str) -> None:
    """List the types of tasks and their steps, by which `hold` and `fail` name them."""
    show(control.call("GET", "/operations"), ("task_type", "steps"), output)


def _present(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _what(fault: dict[str, Any]) -> str:
    tasks = f"tasks of type {fault['task_type']}" if fault.get("task_type") else "tasks of any type"
    return f"{tasks} at step {fault['step']!r}" if fault.get("step") else tasks
