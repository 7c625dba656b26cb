"""`pileus keys`: create, list, rotate and revoke API keys, directly in the database."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import click

from pileus.cli.commands import CommandError, LazySectionedGroup
from pileus.cli.database_access import DATABASE, run_with_database
from pileus.cli.options import SettingsCommand
from pileus.cli.output import add_output_option, format_time, show_table
from pileus.settings import GivenSettingValue

OPERATOR_ROLE = "Operators"
ROLES = ("Administrators", "Engineers", "Users")
COLUMNS = ("id", "name", "role", "state", "client_id", "created_at", "expires_at", "revoked_at")
"""The state comes before what a narrow terminal leaves out."""
EXAMPLES = (
    ("Create a key with write access for 30 days", "pileus keys create pipeline --role Engineers --expires 30"),
    ("Store only the token in a variable", "export GCORE_API_KEY=$(pileus keys create laptop 2>/dev/null)"),
    ("List the keys", "pileus keys list"),
    ("Replace the token of key 7; the old one stays valid for a day", "pileus keys rotate 7 --grace 24"),
    ("Revoke key 7", "pileus keys revoke 7"),
)
Result = TypeVar("Result")
add_expires_option = click.option(
    "--expires", type=click.IntRange(min=1), metavar="DAYS", help="The number of days until it expires; default: never."
)
add_grace_option = click.option(
    "--grace",
    type=click.IntRange(min=0, max=720),
    default=0,
    show_default=True,
    metavar="HOURS",
    help="The number of hours for which the old token stays valid.",
)
add_last_operator_option = click.option("--yes", is_flag=True, help="Do so even if no other operator has a key.")


class ApiKeyManager(Protocol):
    """The API keys of a database. `now` is the time of the cloud, in microseconds."""

    now: int

    async def create(self, name: str, role: str, client: int | None, expires_days: int | None) -> str:
        """Create a key and return its token. Only a digest is stored."""

    async def list(self) -> Sequence[Any]:
        """Return all keys, also expired and revoked ones, with the fields of `COLUMNS`."""

    async def rotate(self, key_id: int, grace_hours: int) -> str:
        """Replace the token of a key and return the new one. The old one stays valid for some hours."""

    async def is_last_operator(self, key_id: int) -> bool:
        """Return whether a key is the only one of an operator that does not expire."""

    async def revoke(self, key_id: int) -> bool:
        """Revoke a key and return whether it exists."""


@click.group(cls=LazySectionedGroup, examples=EXAMPLES)
def keys() -> None:
    """Create, list, rotate and revoke API keys.

    These commands use the database directly. Without options they find the server that you run on this machine;
    otherwise they need its --data or --database setting. A running server accepts a new key at once, and rejects a
    revoked one when the command ends, a second later.
    """


@keys.command("create", cls=SettingsCommand, setting_names=DATABASE, examples=EXAMPLES[:2])
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), default="Engineers", show_default=True, help="The role of the key.")
@click.option("--client", type=int, metavar="ID", help="The tenant of the key; default: the first one.")
@add_expires_option
@add_output_option
def create_key(
    given: dict[str, GivenSettingValue], name: str, role: str, client: int | None, expires: int | None, output: str
) -> None:
    """Create a key with the name NAME and print its token, which cannot be shown again."""
    token = run_with_keys(given, lambda api_keys: api_keys.create(name, role, client, expires))
    print_token(name, role, token, output)


@keys.command("list", cls=SettingsCommand, setting_names=DATABASE)
@add_output_option
def list_keys(given: dict[str, GivenSettingValue], output: str) -> None:
    """List the keys. Tokens are not stored, so they cannot be shown."""
    rows = run_with_keys(given, list_key_rows)
    show_table(rows, COLUMNS, output, "There are no keys. Create one with `pileus keys create NAME`.")


@keys.command("rotate", cls=SettingsCommand, setting_names=DATABASE, examples=EXAMPLES[3:4])
@click.argument("number", type=int)
@add_grace_option
def rotate_key(given: dict[str, GivenSettingValue], number: int, grace: int) -> None:
    """Replace the token of the key with this NUMBER, and print the new one.

    The new token cannot be shown again. Without --grace no server accepts the old token when the command ends.
    """
    token = run_with_keys(given, lambda manager: manager.rotate(number, grace))
    print_new_token(number, token)


@keys.command("revoke", cls=SettingsCommand, setting_names=DATABASE)
@click.argument("number", type=int)
@add_last_operator_option
def revoke_key(given: dict[str, GivenSettingValue], number: int, *, yes: bool) -> None:
    """Revoke the key with this NUMBER: the digits at the start of its token."""
    check_not_last_operator(given, number, is_confirmed=yes)
    if not run_with_keys(given, lambda api_keys: api_keys.revoke(number)):
        raise CommandError(f"There is no key {number}. `pileus keys list` shows those there are.")
    click.echo(f"Key {number} is revoked.")


def check_not_last_operator(given: dict[str, GivenSettingValue], number: int, *, is_confirmed: bool) -> None:
    """Raise CommandError if the key is that of the last operator, unless that is confirmed."""
    if not is_confirmed and run_with_keys(given, lambda manager: manager.is_last_operator(number)):
        raise CommandError(
            f"Key {number} is the last one of an operator that does not expire. Create another with `pileus operators "
            "create NAME`, or confirm with --yes."
        )


def print_token(name: str, role: str, token: str, output: str) -> None:
    """Print the token of a new key: only the token, on stdout, so that a shell can store it."""
    if output not in ("table", "tsv", "name"):
        show_table([{"name": name, "role": role, "token": token}], ("name", "role", "token"), output)
        return
    click.echo(f"Key {name} ({role}) is created. Save its token: it cannot be shown again.", err=True)
    click.echo(token)


def print_new_token(number: int, token: str) -> None:
    """Print the token that replaces that of a key, as `print_token` does."""
    click.echo(f"Key {number} has a new token. Save it: it cannot be shown again.", err=True)
    click.echo(token)


async def list_key_rows(manager: ApiKeyManager) -> list[dict[str, Any]]:
    """Return all keys as rows, with times as text."""
    return [_key_row(key, manager.now) for key in await manager.list()]


def key_state(key: Mapping[str, Any], now: Any) -> str:
    """Return whether a key is active, expired or revoked. Its times are of the type of `now`."""
    if key["revoked_at"] is not None:
        return "revoked"
    return "expired" if key["expires_at"] is not None and key["expires_at"] <= now else "active"


def _key_row(key: Any, now: int) -> dict[str, Any]:
    row = {column: getattr(key, column, None) for column in COLUMNS}
    times = {column: format_time(row[column]) for column in COLUMNS if column.endswith("_at")}
    return row | times | {"state": key_state(row, now)}


def run_with_keys(given: dict[str, GivenSettingValue], action: Callable[[ApiKeyManager], Awaitable[Result]]) -> Result:
    """Run an action with the API keys of the database that the settings name."""
    return run_with_database(given, lambda app, settings: app.open_api_keys(settings), action)
