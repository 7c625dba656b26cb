"""`pileus instances ssh` and `pileus instances log`: log in to a real machine, and its serial log."""

import os
import shlex
from typing import Any

import click

from pileus.cli.api_client import ApiClient
from pileus.cli.cloud_options import cloud_options, pop_api_client
from pileus.cli.commands import CommandError, SectionedCommand, UsageError
from pileus.cli.names import id_from_name, show_resource
from pileus.cli.resource_kinds import RESOURCE_KINDS
from pileus.cli.value_completion import complete_instances

SSH = 22
INSTANCES_PATH = "/_pileus/instances/{project_id}/{region_id}"
LOGIN_USERS = {"ubuntu": "ubuntu", "debian": "debian", "fedora": "fedora", "almalinux": "almalinux", "rocky": "rocky"}
"""Login users of the distributions' images."""
NO_PORT_FORWARD = (
    "there is no port forward to its port 22: a security group of the instance must allow TCP port 22 from everywhere,"
    " and the cloud must run real machines (`pileus serve --driver qemu`)"
)
KIND = RESOURCE_KINDS["instances"]


def machine_access_commands() -> dict[str, SectionedCommand]:
    """Return the commands of instances that the API reference has no operations for."""
    return {"ssh": _ssh_command(), "log": _log_command()}


def _ssh_command() -> SectionedCommand:
    params = [
        _instance_argument(),
        click.Argument(["command"], nargs=-1, metavar="[-- COMMAND…]"),
        click.Option(["--user"], help="The login user; default: the user of the image's distribution, or root."),
        click.Option(["--identity", "-i"], type=click.Path(), help="The private key file."),
        click.Option(["--print", "is_printed"], is_flag=True, help="Print the ssh command instead of running it."),
    ]
    return SectionedCommand(
        "ssh",
        callback=ssh_to_instance,
        params=[*params, *cloud_options()],
        help="Log in to an instance from this host, or run a COMMAND there. The exit code is that of ssh.",
        short_help="Log in to an instance from this host, or run a command there.",
        examples=[
            ("Log in to an instance by its name", "pileus instances ssh web -i ~/.ssh/id_ed25519"),
            ("Run a command", "pileus instances ssh web -- uname -a"),
        ],
    )


def _log_command() -> SectionedCommand:
    max_bytes = click.Option(
        ["--bytes", "max_bytes"], type=click.IntRange(1, 1 << 20), default=65536, help="The number of last bytes."
    )
    return SectionedCommand(
        "log",
        callback=print_serial_log,
        params=[_instance_argument(), max_bytes, *cloud_options()],
        help="Show the end of an instance's serial log.",
        examples=[("Find out why an instance does not boot", "pileus instances log web")],
    )


def ssh_to_instance(
    instance_id: str,
    command: tuple[str, ...],
    user: str | None,
    identity: str | None,
    *,
    is_printed: bool,
    **options: Any,
) -> None:
    """Replace this process with SSH, or print the command line."""
    api = pop_api_client(options)
    instance_id = id_from_name(api, KIND, instance_id)
    forwards = api.call("GET", f"{INSTANCES_PATH}/{instance_id}/port_forwards")
    forward = next(
        (candidate for candidate in forwards if (candidate["protocol"], candidate["port"]) == ("tcp", SSH)), None
    )
    if forward is None:
        raise UsageError(NO_PORT_FORWARD)
    login = user or _default_user(api, instance_id)
    key = ["-i", identity] if identity else []
    address = f"{login}@{forward['host_address']}"
    program = ["ssh", "-p", str(forward["host_port"]), *key, *_host_key_options(), address, *command]
    if is_printed:
        click.echo(shlex.join(program))
        return
    try:
        os.execvp(program[0], program)  # noqa: S606  # all arguments are built here, no shell
    except FileNotFoundError:
        raise CommandError("ssh is not installed; --print shows the command") from None


def print_serial_log(instance_id: str, max_bytes: int, **options: Any) -> None:
    """Print the serial log unchanged."""
    api = pop_api_client(options)
    instance_id = id_from_name(api, KIND, instance_id)
    response = api.send("GET", f"{INSTANCES_PATH}/{instance_id}/serial_log", params={"bytes": max_bytes})
    api.check_success(response)
    click.echo(response.content, nl=False)


def _instance_argument() -> click.Argument:
    return click.Argument(["instance_id"], metavar="INSTANCE_ID", shell_complete=complete_instances)


def _default_user(api: ApiClient, instance_id: str) -> str:
    tags = show_resource(api, KIND, instance_id)["tags"]
    distribution = next((tag["value"] for tag in tags if tag["key"] == "os_distro"), "")
    return LOGIN_USERS.get(distribution, "root")


def _host_key_options() -> list[str]:
    """Return options that store no host keys: the host's ports are reused by other machines."""
    return ["-o", "StrictHostKeyChecking=accept-new", "-o", "UserKnownHostsFile=/dev/null"]
