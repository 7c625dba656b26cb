"""`pileus instances ssh` and `pileus instances log`: into a real machine, and what it says while it boots."""

import os
import shlex
from typing import Any

import click

from pileus.cli.formatting import Command, Mistake
from pileus.cli.names import id_from_name
from pileus.cli.nouns import NOUNS
from pileus.cli.session import Session
from pileus.cli.verbs import asked_for, cloud_options

SSH = 22
USERS = {"ubuntu": "ubuntu", "debian": "debian", "fedora": "fedora", "almalinux": "almalinux", "rocky": "rocky"}
"""Whom the images of distributions let in."""
CLOSED = (
    "no way leads to its port 22: a security group of the instance has to let TCP port 22 in from everywhere, and the"
    " cloud has to run real machines (`pileus serve --driver qemu`)"
)
INSTANCE = click.Argument(["instance_id"], metavar="INSTANCE_ID")


def commands() -> dict[str, Command]:
    """Those that instances have beside what the client's methods give."""
    return {"ssh": _ssh(), "log": _log()}


def _ssh() -> Command:
    options = [
        click.Option(["--user"], help="Whom to log in as; without it, whom the image's distribution lets in, or root."),
        click.Option(["--identity", "-i"], type=click.Path(), help="The file of the private key."),
        click.Option(["--run"], is_flag=True, help="Do it, rather than print it."),
    ]
    return Command(
        "ssh",
        callback=ssh,
        params=[INSTANCE, *options, *cloud_options()],
        help="Print the command that logs in to an instance from this host.",
        examples=[("Log in to one, by its name", "pileus instances ssh web -i ~/.ssh/id_ed25519 --run")],
    )


def _log() -> Command:
    most = click.Option(
        ["--bytes", "most"], type=click.IntRange(1, 1 << 20), default=65536, help="How much of its end."
    )
    return Command(
        "log",
        callback=log,
        params=[INSTANCE, most, *cloud_options()],
        help="Show what an instance has said on its serial line.",
        examples=[("Why does it not boot?", "pileus instances log web")],
    )


def ssh(instance_id: str, user: str | None, identity: str | None, *, run: bool, **given: Any) -> None:
    """Print the command, or become it."""
    session = asked_for(given)
    instance_id = id_from_name(session, NOUNS["instances"], instance_id)
    ways = session.raw(f"{_path(session)}/{instance_id}/ways").json()
    way = next((each for each in ways if (each["protocol"], each["port"]) == ("tcp", SSH)), None)
    if way is None:
        raise Mistake(CLOSED)
    whom = user or _user(session, instance_id)
    key = ["-i", identity] if identity else []
    command = ["ssh", "-p", str(way["host_port"]), *key, *_unknown_host(), f"{whom}@{way['host_address']}"]
    if run:
        os.execvp(command[0], command)  # noqa: S606  # its arguments are all said here
    click.echo(shlex.join(command))


def log(instance_id: str, most: int, **given: Any) -> None:
    """Print the log as it is."""
    session = asked_for(given)
    instance_id = id_from_name(session, NOUNS["instances"], instance_id)
    said = session.raw(f"{_path(session)}/{instance_id}/serial_log?bytes={most}").content
    click.echo(said, nl=False)


def _path(session: Session) -> str:
    return f"/_pileus/instances/{session.client.cloud_project_id}/{session.client.cloud_region_id}"


def _user(session: Session, instance_id: str) -> str:
    tags = session.call("instances.get", instance_id=instance_id).tags
    distribution = next((tag.value for tag in tags if tag.key == "os_distro"), "")
    return USERS.get(distribution, "root")


def _unknown_host() -> list[str]:
    """Ports of a host are given to other machines in time: remembering whose key was there would only be in the way."""
    return ["-o", "StrictHostKeyChecking=accept-new", "-o", "UserKnownHostsFile=/dev/null"]
