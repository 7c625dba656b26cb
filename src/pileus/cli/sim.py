"""`pileus sim`: inject faults and states into the simulated cloud, to test clients."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from pileus.cli.cloud_options import add_cloud_options, pop_connection
from pileus.cli.clouds import REGION_VARIABLE
from pileus.cli.commands import LazySectionedGroup, SectionedCommand, UsageError
from pileus.cli.control import ControlClient, quote_path_segment
from pileus.cli.output import add_output_option, print_record, show_table
from pileus.cli.value_completion import complete_flavors, complete_instances, complete_task_types

CAPACITY_COLUMNS = ("client_id", "region_id", "flavor_id", "servers")
FAULT_COLUMNS = ("id", "client_id", "kind", "task_type", "step", "times", "message")
EXAMPLES = (
    ("Fail the next creation of an instance, with a message", 'pileus sim fail create_vm --message "No valid host"'),
    ("Hold starting instances, and release them", "pileus sim hold start_vm && pileus sim release --all"),
    ("Set the capacity of a flavor in region 1 to 0", "pileus sim capacity g1-standard-1-2 0"),
    ("Set the status of an instance to RESCUE", "pileus sim state web RESCUE"),
    ("Simulate the start and stop times of real machines", "pileus sim time realistic"),
    ("Answer the next two creations of an instance with 503", "pileus sim http respond create_instance --times 2"),
)
SECTIONS = {
    "Time": {"clock": "pileus.cli.sim_clocks:clock"},
    "Faults of HTTP": {"http": "pileus.cli.sim_http:http"},
    "The whole cloud": {"reset": "pileus.cli.sim_resets:reset"},
}
Function = Callable[..., Any]


def add_server_options(function: Function) -> Function:
    """Add the options --url, --key and --context to a command, and pass it a `control`."""

    @wraps(function)
    def connect(client: int | None = None, **options: Any) -> Any:
        if click.get_current_context().invoked_subcommand is not None:
            # A group that also works alone: the command below it connects.
            return None
        connection = pop_connection(options)
        return function(control=ControlClient(connection, client), **options)

    return add_cloud_options(connect, ("url", "key", "context"))


def add_control_options(function: Function) -> Function:
    """Add the options --url, --key, --context and --client to a command, and pass it a `control`."""
    option = click.option(
        "--client",
        type=click.IntRange(min=0),
        metavar="ID",
        help="The tenant, for operators; 0 for all tenants; default: the tenant of the key.",
    )
    with_client: Function = option(add_server_options(function))
    return with_client


region = click.option(
    "--region",
    type=int,
    metavar="ID",
    help=f"The region.  [{REGION_VARIABLE}; default: 1]",
)
step = click.option("--step", help="The step of the task; default: the first (`pileus sim operations` lists them).")


@click.group(cls=LazySectionedGroup, examples=EXAMPLES, sections=SECTIONS)
def sim() -> None:
    """Inject faults into the simulated cloud.

    The commands use the control endpoint of a running server with the simulated driver and need an administrator's
    key: GCORE_BASE_URL and GCORE_API_KEY as `pileus serve` prints them. They change what the tenant of the key
    experiences; operators may name another one with --client.
    """


@sim.command(
    "hold", cls=SectionedCommand, examples=(("Hold the tasks that start instances", "pileus sim hold start_vm"),)
)
@click.argument("task_type", required=False, shell_complete=complete_task_types)
@step
@click.option("--times", type=click.IntRange(min=1), help="The number of tasks; default: all until released.")
@add_control_options
def hold_tasks(control: ControlClient, task_type: str | None, step: str | None, times: int | None) -> None:
    """Hold tasks of TASK_TYPE (default: any type) until they are released."""
    fault = control.call("POST", "/faults", _without_none(kind="hold", task_type=task_type, step=step, times=times))
    click.echo(f"Holding {_fault_target(fault)}. To let go: pileus sim release {fault['id']}")


@sim.command(
    "fail", cls=SectionedCommand, examples=(EXAMPLES[0], ("Fail all tasks until released", "pileus sim fail --always"))
)
@click.argument("task_type", required=False, shell_complete=complete_task_types)
@step
@click.option("--message", help="The error text of the task.")
@click.option("--times", type=click.IntRange(min=1), default=1, show_default=True, help="The number of tasks.")
@click.option("--always", is_flag=True, help="All tasks until released.")
@add_control_options
def fail_tasks(
    control: ControlClient, task_type: str | None, step: str | None, message: str | None, times: int, *, always: bool
) -> None:
    """Fail tasks of TASK_TYPE (default: any type)."""
    count = None if always else times
    body = _without_none(kind="fail", task_type=task_type, step=step, message=message, times=count)
    fault = control.call("POST", "/faults", body)
    frequency = "every time" if count is None else f"{count} time{'s' * (count > 1)}"
    click.echo(f"Failing {_fault_target(fault)}, {frequency}. To stop that: pileus sim release {fault['id']}")


@sim.command("release", cls=SectionedCommand)
@click.argument("fault_id", required=False)
@click.option("--all", "is_all", is_flag=True, help="Release all faults.")
@add_control_options
def release_faults(control: ControlClient, fault_id: str | None, *, is_all: bool) -> None:
    """Release the fault FAULT_ID, or --all: held tasks continue, and tasks no longer fail."""
    if is_all == bool(fault_id):
        raise UsageError("name a fault (`pileus sim faults` lists them), or --all")
    control.call("DELETE", "/faults" if is_all else f"/faults/{quote_path_segment(fault_id)}")
    click.echo("Released all." if is_all else f"Released {fault_id}.")


@sim.command("faults", cls=SectionedCommand)
@add_output_option
@add_control_options
def list_faults(control: ControlClient, output: str) -> None:
    """List the active faults."""
    show_table(control.call("GET", "/faults"), FAULT_COLUMNS, output, "Nothing is held, and nothing fails.")


@sim.command(
    "capacity",
    cls=SectionedCommand,
    examples=(EXAMPLES[2], ("Remove the limit", "pileus sim capacity g1-standard-1-2 unlimited")),
)
@click.argument("flavor", required=False, shell_complete=complete_flavors)
@click.argument("servers", required=False)
@region
@add_output_option
@add_control_options
def set_or_list_capacities(
    control: ControlClient, flavor: str | None, servers: str | None, region: int | None, output: str
) -> None:
    """Limit a FLAVOR to a number of SERVERS in a region, or list the limits.

    SERVERS can be `unlimited`, which removes the limit.
    """
    if flavor is None:
        show_table(control.call("GET", "/capacities"), CAPACITY_COLUMNS, output, "Nothing is limited.")
        return
    if servers is None or not (servers == "unlimited" or servers.isdecimal()):
        raise UsageError("say how many servers: a number, or unlimited")
    count = None if servers == "unlimited" else int(servers)
    region_id = region or control.connection.region
    control.call("PUT", f"/capacities/{region_id}/{quote_path_segment(flavor)}", {"servers": count})
    if output not in ("table", "tsv"):
        print_record({"region_id": region_id, "flavor_id": flavor, "servers": count}, output)
        return
    click.echo(f"Region {region_id} has capacity for {servers} of {flavor}.")


@sim.command("state", cls=SectionedCommand, examples=(EXAMPLES[3],))
@click.argument("instance", metavar="INSTANCE", shell_complete=complete_instances)
@click.argument("status")
@click.option("--vm-state", help="The vm_state; default: the one that matches the status.")
@add_control_options
def set_machine_state(control: ControlClient, instance: str, status: str, vm_state: str | None) -> None:
    """Set the STATUS of an INSTANCE, as if its machine had changed.

    INSTANCE is an id or a name. STATUS is any status of the API: ERROR, PAUSED, RESCUE, SHELVED, …
    """
    path = f"/machines/{quote_path_segment(control.find_instance_id(instance))}"
    control.call("PUT", path, _without_none(status=status.upper(), vm_state=vm_state))
    click.echo(f"Instance {instance} is {status.upper()}.")


@sim.command("time", cls=SectionedCommand)
@click.argument("mode", type=click.Choice(["instant", "realistic"]))
@add_control_options
def set_time_mode(control: ControlClient, mode: str) -> None:
    """Set the start and stop times of the machines of all tenants: none, or as real ones. Needs an operator's key."""
    control.call("PUT", "/time", {"mode": mode})
    click.echo(f"Time is {mode}.")


@sim.command("isolate", cls=SectionedCommand)
@click.argument("instance", metavar="INSTANCE", shell_complete=complete_instances)
@click.option("--reason", help="The reason that clients see.")
@click.option("--off", is_flag=True, help="End the isolation.")
@add_control_options
def set_isolation(control: ControlClient, instance: str, reason: str | None, *, off: bool) -> None:
    """Isolate an INSTANCE from its networks, as the provider does on abuse.

    INSTANCE is an id or a name.
    """
    path = f"/instances/{quote_path_segment(control.find_instance_id(instance))}/isolation"
    control.call("PUT", path, _without_none(isolated=not off, reason=reason))
    click.echo(f"Instance {instance} is {'reachable again' if off else 'isolated'}.")


@sim.command(
    "member",
    cls=SectionedCommand,
    examples=(("Let a member of a load balancer fail", "pileus sim member 3d5e… down"),),
)
@click.argument("member_id")
@click.argument("state", type=click.Choice(["down", "up"]))
@add_control_options
def set_member_state(control: ControlClient, member_id: str, state: str) -> None:
    """Let the member MEMBER_ID of a pool not answer (down), or answer again (up).

    The health monitor of the pool notices it by its retries, on the clock of the cloud. A member whose instance does
    not run is down as well.
    """
    control.call("PUT", f"/members/{quote_path_segment(member_id)}", {"reachable": state == "up"})
    click.echo(f"Member {member_id} is {state}.")


@sim.command("blackhole", cls=SectionedCommand, examples=(("Blackhole an address", "pileus sim blackhole 192.0.2.7"),))
@click.argument("address", required=False)
@click.option("--alarm-state", default="ALARM", show_default=True, help="The state of the alarm.")
@click.option("--remove", metavar="ID", help="Remove this blackhole instead.")
@region
@add_control_options
def add_or_end_blackhole(
    control: ControlClient, address: str | None, alarm_state: str, remove: str | None, region: int | None
) -> None:
    """Mark an ADDRESS as blackholed by DDoS protection."""
    if (address is None) == (remove is None):
        raise UsageError("name an address, or --remove ID")
    if remove is not None:
        control.call("DELETE", f"/blackholes/{quote_path_segment(remove)}")
        click.echo(f"Blackhole {remove} is removed.")
        return
    body = {
        "region_id": region or control.connection.region,
        "destination_ip": address,
        "alarm_state": alarm_state.upper(),
    }
    blackhole_port = control.call("POST", "/blackholes", body)
    click.echo(f"{address} is blackholed. To end that: pileus sim blackhole --remove {blackhole_port['id']}")


@sim.command("operations", cls=SectionedCommand)
@add_output_option
@add_control_options
def list_task_types(control: ControlClient, output: str) -> None:
    """List the task types and their steps, as `hold` and `fail` take them."""
    show_table(control.call("GET", "/operations"), ("task_type", "steps"), output)


def _without_none(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _fault_target(fault: dict[str, Any]) -> str:
    tasks = f"tasks of type {fault['task_type']}" if fault.get("task_type") else "tasks of any type"
    return f"{tasks} at step {fault['step']!r}" if fault.get("step") else tasks
