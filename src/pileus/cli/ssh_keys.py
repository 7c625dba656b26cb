"""`pileus ssh-keys create`: the server shows the private key that it makes once, so the command must not lose it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from msgspec import Struct

from pileus.cli.commands import CommandError, SectionedCommand, UsageError
from pileus.cli.output import chosen_columns
from pileus.cli.resource_commands import make_resource_command
from pileus.cli.resource_kinds import RESOURCE_KINDS, ResourceKind
from pileus.cli.resource_results import show_response

PRIVATE_KEY = "private_key"
FILE_KEY = "pileus.private_key_file"
"""The key of the open file of --private-key-file in `Context.meta`."""
EXAMPLES = [
    ("Let the server make a key pair", "pileus ssh-keys create --name laptop --private-key-file laptop.key"),
    ("Save your own public key", 'pileus ssh-keys create --name laptop --public-key "$(cat laptop.pub)"'),
]


class KeyFile(Struct):
    """The open file of --private-key-file."""

    path: Path
    descriptor: int

    def write(self, private_key: str) -> None:
        """Write the key. If the disk is full, print it, and raise CommandError."""
        try:
            os.write(self.descriptor, f"{private_key.rstrip()}\n".encode())
        except OSError as error:
            click.echo(private_key.rstrip())
            raise CommandError(
                f"{self.path} cannot be written: {error}. Save the private key above: it cannot be shown again"
            ) from None


def ssh_key_creation() -> SectionedCommand:
    """Return the command of the API with the option --private-key-file."""
    command = make_resource_command(RESOURCE_KINDS["ssh-keys"], "create", show=_show_new_key)

    def run(private_key_file: Path | None, **options: Any) -> None:
        if not options["public_key"]:
            _check_output(options["output"], private_key_file)
        elif private_key_file:
            raise UsageError("--private-key-file is for the key that the server makes without --public-key")
        with _open_new_file(private_key_file) as file:
            context = click.get_current_context()
            context.meta[FILE_KEY] = file
            context.invoke(command, **options)

    file_option = click.Option(
        ["--private-key-file"],
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Write the private key that the server makes to this new file, which only you can read.",
    )
    return SectionedCommand(
        "create",
        callback=run,
        params=[file_option, *command.params],
        help=f"{command.help}\n\nWithout --public-key the server makes a key pair, and shows the private key once: it"
        " goes to --private-key-file or to standard output.",
        short_help=command.short_help,
        examples=EXAMPLES,
    )


def _check_output(output: str, file: Path | None) -> None:
    """Raise UsageError if the output would lose the private key."""
    columns = chosen_columns()
    is_raw = output in ("table", "tsv") and not columns
    is_field = output in ("json", "yaml", "csv") and (not columns or PRIVATE_KEY in columns)
    if not file and not is_raw and not is_field:
        raise UsageError(
            "this output would lose the private key, which cannot be shown again: give --private-key-file too"
        )


@contextmanager
def _open_new_file(path: Path | None) -> Iterator[KeyFile | None]:
    """Open a file that does not exist yet, and remove it if nothing was written. Raises UsageError."""
    if path is None:
        yield None
        return
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise UsageError(f"{path} exists, and is not overwritten: choose another file") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be written: {error}") from None
    try:
        yield KeyFile(path, descriptor)
    finally:
        if os.fstat(descriptor).st_size == 0:
            path.unlink(missing_ok=True)
        os.close(descriptor)


def _show_new_key(kind: ResourceKind, verb: str, response: Any, output: str) -> None:
    """Print a new key. On the terminal and in a pipe a private key is printed alone, as it belongs into a file."""
    file: KeyFile | None = click.get_current_context().meta[FILE_KEY]
    private_key = response.get(PRIVATE_KEY)
    if not private_key:
        show_response(kind, verb, response, output)
    elif file:
        file.write(private_key)
        click.echo(f"The private key is in {file.path}. It cannot be shown again.", err=True)
        show_response(kind, verb, {name: value for name, value in response.items() if name != PRIVATE_KEY}, output)
    elif output in ("table", "tsv"):
        text = (
            f"SSH key {response['name']} ({response['id']}) is created. Save its private key: it cannot be shown again."
        )
        click.echo(text, err=True)
        click.echo(private_key.rstrip())
    else:
        show_response(kind, verb, response, output)
