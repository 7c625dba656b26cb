"""`pileus state`: save the state of a running simulated cloud in a file, and load it."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

import click

from pileus.cli.commands import CommandError, LazySectionedGroup, SectionedCommand
from pileus.cli.control import ControlClient
from pileus.cli.sim import add_server_options
from pileus.cli.sim_resets import confirm_replacement

EXAMPLES = (
    ("Save the cloud", "pileus state save cloud.state"),
    ("Load it, into this or another server", "pileus state load cloud.state --yes"),
)


@click.group(cls=LazySectionedGroup, examples=EXAMPLES)
def state() -> None:
    """Save the state of a simulated cloud in one file, and load it.

    A file has everything: tenants, keys, resources with their ids and addresses, tasks, and the simulated machines. It
    loads into a server with SQLite or PostgreSQL, also of a newer version. The commands need an operator's key.
    """


@state.command("save", cls=SectionedCommand, examples=EXAMPLES[:1])
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--plain-secrets",
    is_flag=True,
    help="Write secrets of tenants in plain text, so that a server with another secrets.key can load the file.",
)
@add_server_options
def save_state_file(control: ControlClient, file: Path, *, plain_secrets: bool) -> None:
    """Save the state of the cloud in FILE, which only you can read."""
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    except OSError as error:
        raise CommandError(f"{file} cannot be written: {error.strerror}") from None
    part = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as output:
            control.download(f"/state?plain_secrets={str(plain_secrets).lower()}", output)
        part.replace(file)
    finally:
        with suppress(FileNotFoundError):
            part.unlink()
    click.echo(f"The state of the cloud is in {file}: {file.stat().st_size:,} bytes.")


@state.command("load", cls=SectionedCommand, examples=EXAMPLES[1:])
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--yes", is_flag=True, help="Do not ask before everything in the cloud is replaced.")
@add_server_options
def load_state_file(control: ControlClient, file: Path, *, yes: bool) -> None:
    """Replace everything in the cloud by the state in FILE. If anything is wrong with it, nothing changes."""
    try:
        source = file.open("rb")
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}") from None
    with source:
        confirm_replacement(control.connection.url, is_confirmed=yes)
        control.upload("/state", source)
    click.echo(f"The cloud has the state of {file}.")
