"""`pileus secrets`: rotate the keys that encrypt secrets in the database."""

import asyncio

import click

from pileus.cli.commands import CommandError
from pileus.cli.database_access import explain_errors, find_server_settings
from pileus.cli.options import SettingsCommand, load_settings
from pileus.settings import GivenSettingValue

EXAMPLES = (
    ("Encrypt all secrets by a new key", "pileus secrets rotate"),
    (
        "Encrypt them by the first key in a file that you have distributed",
        "pileus secrets rotate --no-new-key --secrets-key /etc/pileus/secrets.key",
    ),
)
DATABASE = ("data", "database", "secrets_key")


@click.command("rotate", cls=SettingsCommand, setting_names=DATABASE, examples=EXAMPLES)
@click.option(
    "--new-key/--no-new-key", default=True, show_default=True, help="Whether to put a new key into the file first."
)
def rotate(given: dict[str, GivenSettingValue], new_key: bool) -> None:  # noqa: FBT001  # click passes options so
    """Encrypt all secrets in the database by the newest key, the first line of the file.

    These are the payloads of secrets, the targets of subscriptions, the first-boot data of instances, and the URLs of
    downloads.

    Servers may run meanwhile: they read the file again when it has changed. Keep the older lines of the file until the
    command with --no-new-key finds no secret to encrypt, and a copy of them as long as you keep backups of the
    database.
    """
    settings = load_settings(find_server_settings(given, DATABASE))
    from pileus import app  # noqa: PLC0415  # `--help` must not load the server
    from pileus.domain.errors import Problem  # noqa: PLC0415

    with explain_errors(settings):
        try:
            count = asyncio.run(app.rotate_secrets(settings, add_key=new_key))
        except Problem as problem:
            raise CommandError(str(problem)) from problem
    click.echo(f"Encrypted by the newest key: {count}.")
