"""`pileus env`: prints the variables that configure official clients for the local server."""

import json
import shlex
from collections.abc import Callable, Mapping

import click

from pileus.cli.commands import CommandError, UsageError
from pileus.cli.database_access import ADDRESS, find_server_settings, warn_of_default_address
from pileus.cli.options import SettingsCommand, load_settings
from pileus.setting_fields import SettingError
from pileus.settings import GivenSettingValue

SERVER_SETTINGS = ("data", *ADDRESS, "catalogue")
SETTING_NAMES = (*SERVER_SETTINGS, "api_key")
EXAMPLES = (
    ("Set the variables in this shell", 'eval "$(pileus env)"'),
    ("… of a server with another port and data directory", 'eval "$(pileus env --port 9000 --data ./data)"'),
    ("Set them in fish", "pileus env --format fish | source"),
    ("Write them to a file for docker, direnv or an editor", "pileus env --format dotenv > .env"),
    ("Set them for the next steps of a GitHub workflow", 'pileus env --format github >> "$GITHUB_ENV"'),
)


def _format_sh(variables: Mapping[str, str]) -> str:
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())


def _format_fish(variables: Mapping[str, str]) -> str:
    return "".join(f"set -gx {name} {_quote_with_backslashes(value)}\n" for name, value in variables.items())


def _format_dotenv(variables: Mapping[str, str]) -> str:
    return "".join(
        f"{name}={value if value == shlex.quote(value) else _quote_with_backslashes(value)}\n"
        for name, value in variables.items()
    )


def _format_github(variables: Mapping[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in variables.items())


def _format_json(variables: Mapping[str, str]) -> str:
    return json.dumps(variables, indent=2) + "\n"


def _quote_with_backslashes(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


FORMATS: dict[str, Callable[[Mapping[str, str]], str]] = {
    "sh": _format_sh,
    "fish": _format_fish,
    "dotenv": _format_dotenv,
    "json": _format_json,
    "github": _format_github,
}


@click.command(cls=SettingsCommand, setting_names=SETTING_NAMES, examples=EXAMPLES)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(list(FORMATS)),
    default="sh",
    show_default=True,
    help="sh is for bash and zsh too; github is for $GITHUB_ENV.",
)
def env(given: dict[str, GivenSettingValue], format_name: str) -> None:
    """Print the variables that the official clients read, for the server on this machine.

    It covers the Python and Go SDKs, Terraform 2.x and 0.x, the Go CLI and Ansible. Without options it finds the
    server that you run on this machine. With options, give the same settings as to `pileus serve`. The key is the
    one in the data directory, or that of --api-key. The output contains the key.
    """
    server_settings = find_server_settings(given, SERVER_SETTINGS)
    settings = load_settings(server_settings)
    from pileus.client_variables import (  # noqa: PLC0415  # `--help` must not load the catalogue and the store
        NoApiKey,
        client_variables,
        read_api_key,
    )

    try:
        variables = client_variables(settings, read_api_key(settings))
    except SettingError as error:
        raise UsageError(str(error)) from None
    except NoApiKey as error:
        raise CommandError(str(error)) from None
    warn_of_default_address(settings, server_settings)
    click.echo(FORMATS[format_name](variables), nl=False)
