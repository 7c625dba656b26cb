"""`pileus operators`: create, list and delete operators, who run the server, directly in the database."""

import click

from pileus.cli.commands import CommandError, LazySectionedGroup
from pileus.cli.database_access import DATABASE
from pileus.cli.keys import (
    OPERATOR_ROLE,
    add_expires_option,
    add_last_operator_option,
    check_not_last_operator,
    list_key_rows,
    print_token,
    run_with_keys,
)
from pileus.cli.options import SettingsCommand
from pileus.cli.output import add_output_option, show_table
from pileus.settings import GivenSettingValue

COLUMNS = ("id", "name", "state", "created_at", "expires_at", "revoked_at")
EXAMPLES = (
    ("Create an operator and store only the token", "pileus operators create ann > ann.key"),
    ("List the operators", "pileus operators list"),
    ("Delete operator 7", "pileus operators delete 7"),
)


@click.group(cls=LazySectionedGroup, examples=EXAMPLES)
def operators() -> None:
    """Create, list and delete operators.

    An operator's key may do everything: what an administrator of its tenant may, and act for all tenants under
    /_pileus/. The key of the first start is an operator's. Give clients keys of their tenants instead: see
    `pileus keys` and `pileus tenants`.

    These commands use the database directly. Without options they find the server that you run on this machine;
    otherwise they need its --data or --database setting.
    """


@operators.command("create", cls=SettingsCommand, setting_names=DATABASE, examples=EXAMPLES[:1])
@click.argument("name")
@add_expires_option
@add_output_option
def create_operator(given: dict[str, GivenSettingValue], name: str, expires: int | None, output: str) -> None:
    """Create an operator with the name NAME and print its token, which cannot be shown again."""
    token = run_with_keys(given, lambda manager: manager.create(name, OPERATOR_ROLE, None, expires))
    print_token(name, OPERATOR_ROLE, token, output)


@operators.command("list", cls=SettingsCommand, setting_names=DATABASE)
@add_output_option
def list_operators(given: dict[str, GivenSettingValue], output: str) -> None:
    """List the operators, deleted and expired ones included. Tokens are not stored, so they cannot be shown."""
    rows = [row for row in run_with_keys(given, list_key_rows) if row["role"] == OPERATOR_ROLE]
    show_table(rows, COLUMNS, output, "There are no operators. Create one with `pileus operators create NAME`.")


@operators.command("delete", cls=SettingsCommand, setting_names=DATABASE)
@click.argument("number", type=int)
@add_last_operator_option
def delete_operator(given: dict[str, GivenSettingValue], number: int, *, yes: bool) -> None:
    """Delete the operator with this NUMBER: the digits at the start of its token. No server accepts the key any more.

    If it is the operator of the first start, the file `admin.key` in the data directory is deleted too. The last
    operator is deleted only with --yes; `pileus operators create` creates another one.
    """
    check_not_last_operator(given, number, is_confirmed=yes)
    keys = run_with_keys(given, lambda manager: manager.list())
    is_operator = any(key.id == number and key.role == OPERATOR_ROLE for key in keys)
    if not is_operator or not run_with_keys(given, lambda manager: manager.revoke(number)):
        raise CommandError(f"There is no operator {number}. `pileus operators list` shows those there are.")
    click.echo(f"Operator {number} is deleted.")
