"""`pileus console`: print an address that signs in to the web console of the local server."""

import click

from pileus.cli.commands import CommandError
from pileus.cli.database_access import (
    ADDRESS,
    DATABASE,
    find_server_settings,
    run_with_database,
    warn_of_default_address,
)
from pileus.cli.options import SettingsCommand, load_settings
from pileus.settings import GivenSettingValue, Settings

EXAMPLES = (
    ("Sign in to the web console of the server on this machine", "pileus console --open"),
    ("Print the address, for a browser that you start yourself", "pileus console"),
)


@click.command("console", cls=SettingsCommand, setting_names=(*DATABASE, *ADDRESS), examples=EXAMPLES)
@click.option("--open", "in_browser", is_flag=True, help="Also open the address in the browser of this machine.")
def web_console(given: dict[str, GivenSettingValue], *, in_browser: bool) -> None:
    """Print an address that signs in to the web console.

    It makes you an operator, is valid once, and for 10 minutes.
    """
    server_settings = find_server_settings(given, (*DATABASE, *ADDRESS))
    settings: Settings = load_settings(server_settings)
    ticket = run_with_database(
        given, lambda app, database: app.open_api_keys(database), lambda keys: keys.create_console_ticket()
    )
    url = f"{settings.base_url}/#ticket={ticket}"
    warn_of_default_address(settings, server_settings)
    click.echo(url)
    if in_browser and click.launch(url):
        raise CommandError("No browser could be started: open the address above yourself.")
