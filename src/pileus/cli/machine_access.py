"""`pileus instances ssh` and `pileus instances log`: log in to a real machine, and its serial log."""

import os
import shlex
from typing import Any

import click

from pileus.cli.commands import SectionedCommand, UsageError
from pileus.cli.names import id_from_name
from pileus.cli.resource_commands import cloud_options, session_from_options
from pileus.cli.resource_kinds import RESOURCE_KINDS
from pileus.cli.session import SdkSession

SSH = 22
LOGIN_USERS = {"ubuntu": "ubuntu", "debian": "debian", "fedora": "fedora", "almalinux": "almalinux", "rocky": "rocky"}
"""Login users of the distributions' images."""
NO_PORT_FORWARD = (
    "there is no port forward to its port 22: a security group of the instance must allow TCP port 22 from everywhere,"
    " and the cloud must run real machines (`pileus serve --driver qemu`)"
)
INSTANCE = click.Argument(["instance_id"], metavar="INSTANCE_ID")


def machine_access_commands() -> dict[str, SectionedCommand]:
    """Return the commands of instances that the client has no methods for."""
    return {"ssh": _ssh_command(), "log": _log_command()}


def _ssh_command() -> SectionedCommand:
    options = [
        click.Option(["--user"], help="The login user; default: the user of the image's distribution, or root."),
        click.Option(["--identity", "-i"], type=click.Path(), help="The private key file."),
        click.Option(["--run"], is_flag=True, help="Run the command instead of printing it."),
    ]
    return SectionedCommand(
        "ssh",
        callback=ssh_to_instance,
        params=[INSTANCE, *options, *cloud_options()],
        help="Print the command that logs in to an instance from this host.",
        examples=[("Log in to an instance by its name", "pileus instances ssh web -i ~/.ssh/id_ed25519 --run")],
    )


def _log_command() -> SectionedCommand:
    max_bytes = click.Option(
        ["--bytes", "max_bytes"], type=click.IntRange(1, 1 << 20), default=65536, help="The number of last bytes."
    )
    return SectionedCommand(
        "log",
        callback=print_serial_log,
        params=[INSTANCE, max_bytes, *cloud_options()],
        help="Show the end of an instance's serial log.",
        examples=[("Find out why an instance does not boot", "pileus instances log web")],
    )


def ssh_to_instance(instance_id: str, user: str | None, identity: str | None, *, run: bool, **options: Any) -> None:
    """Print the SSH command, or replace this process with it."""
    session = session_from_options(options)
    instance_id = id_from_name(session, RESOURCE_KINDS["instances"], instance_id)
    forwards = session.get_raw_response(f"{_instances_path(session)}/{instance_id}/ways").json()
    forward = next(
        (candidate for candidate in forwards if (candidate["protocol"], candidate["port"]) == ("tcp", SSH)), None
    )
    if forward is None:
        raise UsageError(NO_PORT_FORWARD)
    login = user or _default_user(session, instance_id)
    key = ["-i", identity] if identity else []
    command = ["ssh", "-p", str(forward["host_port"]), *key, *_host_key_options(), f"{login}@{forward['host_address']}"]
    if run:
        os.execvp(command[0], command)  # noqa: S606  # all arguments are built here, no shell
    click.echo(shlex.join(command))


def print_serial_log(instance_id: str, max_bytes: int, **options: Any) -> None:
    """Print the serial log unchanged."""
    session = session_from_options(options)
    instance_id = id_from_name(session, RESOURCE_KINDS["instances"], instance_id)
    content = session.get_raw_response(f"{_instances_path(session)}/{instance_id}/serial_log?bytes={max_bytes}").content
    click.echo(content, nl=False)


def _instances_path(session: SdkSession) -> str:
    return f"/_pileus/instances/{session.client.cloud_project_id}/{session.client.cloud_region_id}"


def _default_user(session: SdkSession, instance_id: str) -> str:
    tags = session.call_method("instances.get", instance_id=instance_id).tags
    distribution = next((tag.value for tag in tags if tag.key == "os_distro"), "")
    return LOGIN_USERS.get(distribution, "root")


def _host_key_options() -> list[str]:
    """Return options that store no host keys: the host's ports are reused by other machines."""
    return ["-o", "StrictHostKeyChecking=accept-new", "-o", "UserKnownHostsFile=/dev/null"]
