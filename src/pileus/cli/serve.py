"""`pileus serve`: the server itself."""

import click

from pileus.cli.formatting import Failure, Mistake
from pileus.cli.options import SettingsCommand, load_settings
from pileus.settings import SettingError, SettingSource

EXAMPLES = (
    ("On http://127.0.0.1:8080; the first start makes a project, a region, a catalogue and a key", "pileus serve"),
    (
        "Another port, and everything that is kept in a directory of this project",
        "pileus serve --port 9000 --data ./data",
    ),
    ("Machines that take as long to start as real ones do", "pileus serve --simulated-time realistic"),
    ("The same by variables", "PILEUS_PORT=9000 PILEUS_DATA=./data pileus serve"),
    ("PostgreSQL and four processes", "pileus serve --database postgresql://pileus@localhost/pileus --workers 4"),
)


@click.command(cls=SettingsCommand, examples=EXAMPLES)
def serve(given: dict[str, SettingSource]) -> None:
    """Start the server; Ctrl-C stops it.

    When it is ready it prints the variables that the official SDKs and tools read. An option wins over a variable, a
    variable over the file named by --config.
    """
    settings = load_settings(given)
    from pileus.server import StartError, run  # noqa: PLC0415  # help and mistakes are told at once, without loading the server

    try:
        run(settings)
    except SettingError as mistake:
        raise Mistake(str(mistake)) from None
    except StartError as failure:
        raise Failure(str(failure)) from failure
