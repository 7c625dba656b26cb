"""`pileus serve`: the server itself."""

import click

from pileus.cli.commands import CommandError, UsageError
from pileus.cli.options import SettingsCommand, load_settings
from pileus.setting_fields import SettingError
from pileus.settings import GivenSettingValue

EXAMPLES = (
    ("Serve on http://127.0.0.1:8080; the first start creates a project, a region and a key", "pileus serve"),
    ("Use another port and data directory", "pileus serve --port 9000 --data ./data"),
    ("Simulate the start and stop times of real machines", "pileus serve --simulated-time realistic"),
    ("Configure it by variables", "PILEUS_PORT=9000 PILEUS_DATA=./data pileus serve"),
    (
        "Use PostgreSQL and four processes",
        "pileus serve --database postgresql://pileus@localhost/pileus --workers 4",
    ),
)


@click.command(cls=SettingsCommand, examples=EXAMPLES)
def serve(given: dict[str, GivenSettingValue]) -> None:
    """Start the server; Ctrl-C stops it.

    When it is ready, it prints the variables that the official SDKs read, and the line for other clients and
    terminals: see `pileus env --help`. An option overrides a variable, and a variable overrides the file of --config.
    """
    settings = load_settings(given)
    from pileus.server import StartError, run  # noqa: PLC0415  # `--help` must not load the server

    try:
        run(settings)
    except SettingError as error:
        raise UsageError(str(error)) from None
    except StartError as error:
        raise CommandError(str(error)) from error
