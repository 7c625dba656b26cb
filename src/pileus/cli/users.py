"""`pileus users`: create, list and delete users who log in with a password, directly in the database."""

import secrets
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar

import click

from pileus.cli.commands import LazySectionedGroup, UsageError
from pileus.cli.database_access import DATABASE, run_with_database
from pileus.cli.keys import ROLES
from pileus.cli.options import SettingsCommand
from pileus.cli.output import add_output_option, format_time, show_table
from pileus.settings import GivenSettingValue

COLUMNS = ("id", "email", "role", "can_log_in", "client_id", "created_at")
"""Whether a user can log in comes before what a narrow terminal leaves out."""
EXAMPLES = (
    ("Create a user, and enter the password twice", "pileus users create ann@example.com --role Administrators"),
    ("Create a user with a random password, and store it", "pileus users create ci@example.com --generate > ci.pass"),
    ("Replace the password, and end the logins", "pileus users set-password ci@example.com --generate"),
    ("List the users", "pileus users list"),
    ("Delete a user, and end its logins", "pileus users delete ann@example.com"),
)
Result = TypeVar("Result")
Function = Callable[..., Any]


class UserManager(Protocol):
    """The users of a database."""

    async def create(self, email: str, role: str, client: int | None, password: str) -> Any:
        """Create a user and return it. Only a digest of the password is stored."""

    async def list(self) -> Sequence[Any]:
        """Return all users."""

    async def set_password(self, email: str, password: str) -> Any:
        """Replace the password of a user, end its logins and return it."""

    async def delete(self, email: str) -> Any:
        """Delete a user, end its logins and return it."""


def add_password_options(function: Function) -> Function:
    """Add the options that say where a new password comes from."""
    function = click.option(
        "--password-stdin", "from_stdin", is_flag=True, help="Read the password from the first line of standard input."
    )(function)
    return click.option("--generate", is_flag=True, help="Make a random password and print it.")(function)


@click.group(cls=LazySectionedGroup, examples=EXAMPLES)
def users() -> None:
    """Create, list and delete users who log in with a password.

    Older clients log in with an e-mail address and a password instead of an API key. New clients use keys: see
    `pileus keys`.

    These commands use the database directly. Without options they find the server that you run on this machine;
    otherwise they need its --data or --database setting. A running server accepts a new user at once, and rejects
    the logins of a deleted one when the command ends. Passwords are not options, because other users of the host
    can read command lines.
    """


@users.command("create", cls=SettingsCommand, setting_names=DATABASE, examples=EXAMPLES[:2])
@click.argument("email")
@click.option("--role", type=click.Choice(ROLES), default="Engineers", show_default=True, help="The role of the user.")
@click.option("--client", type=int, metavar="ID", help="The tenant of the user; default: the first one.")
@add_password_options
def create_user(
    given: dict[str, GivenSettingValue], email: str, role: str, client: int | None, *, generate: bool, from_stdin: bool
) -> None:
    """Create a user with the e-mail address EMAIL. The password is asked for, unless an option says otherwise."""
    password = _read_password(generate=generate, from_stdin=from_stdin)
    user = _run_with_users(given, lambda manager: manager.create(email, role, client, password))
    click.echo(f"User {user.email} ({user.role}) of client {user.client_id} is created.", err=True)
    _print_generated(password, generate=generate)


@users.command("list", cls=SettingsCommand, setting_names=DATABASE)
@add_output_option
def list_users(given: dict[str, GivenSettingValue], output: str) -> None:
    """List the users. The first user of a tenant owns its API keys. A user without a password cannot log in."""
    records = _run_with_users(given, lambda manager: manager.list())
    show_table([_user_row(user) for user in records], COLUMNS, output)


@users.command("set-password", cls=SettingsCommand, setting_names=DATABASE, examples=EXAMPLES[2:3])
@click.argument("email")
@add_password_options
def set_password(given: dict[str, GivenSettingValue], email: str, *, generate: bool, from_stdin: bool) -> None:
    """Replace the password of the user EMAIL, and end its logins."""
    password = _read_password(generate=generate, from_stdin=from_stdin)
    user = _run_with_users(given, lambda manager: manager.set_password(email, password))
    click.echo(f"The password of {user.email} is changed.", err=True)
    _print_generated(password, generate=generate)


@users.command("delete", cls=SettingsCommand, setting_names=DATABASE)
@click.argument("email")
def delete_user(given: dict[str, GivenSettingValue], email: str) -> None:
    """Delete the user EMAIL, and end its logins."""
    user = _run_with_users(given, lambda manager: manager.delete(email))
    click.echo(f"User {user.email} is deleted.")


def _read_password(*, generate: bool, from_stdin: bool) -> str:
    """Return a new password. Raises UsageError if there is nobody to ask."""
    if generate and from_stdin:
        raise UsageError("Use either --generate or --password-stdin.")
    if generate:
        return secrets.token_urlsafe(18)
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise UsageError("There is no terminal to ask for the password: use --password-stdin or --generate.")
    password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return password


def _print_generated(password: str, *, generate: bool) -> None:
    if generate:
        click.echo("Save the password: it cannot be shown again.", err=True)
        click.echo(password)


def _user_row(user: Any) -> dict[str, Any]:
    computed = {"created_at": format_time(user.created_at), "can_log_in": user.password_digest is not None}
    return {column: computed[column] if column in computed else getattr(user, column) for column in COLUMNS}


def _run_with_users(given: dict[str, GivenSettingValue], action: Callable[[UserManager], Awaitable[Result]]) -> Result:
    return run_with_database(given, lambda app, settings: app.open_users(settings), action)
