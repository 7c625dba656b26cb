"""`pileus keys`: make, list and revoke API keys, directly in the database."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar

import click

from pileus.cli.formatting import Failure, Group
from pileus.cli.options import SettingsCommand, load_settings
from pileus.cli.output import moment, output_option, show
from pileus.settings import Settings, SettingSource

ROLES = ("Administrators", "Engineers", "Users")
COLUMNS = ("id", "name", "role", "client_id", "created_at", "expires_at", "revoked_at")
EXAMPLES = (
    ("A key that may change things, good for 30 days", "pileus keys create pipeline --role Engineers --expires 30"),
    ("Only the token, into a variable", "export GCORE_API_KEY=$(pileus keys create laptop 2>/dev/null)"),
    ("Which keys there are", "pileus keys list"),
    ("Take the one with number 7 away", "pileus keys revoke 7"),
)
DATABASE = ("data", "database")
Answer = TypeVar("Answer")


class Keys(Protocol):
    """The keys of a database."""

    async def create(self, name: str, role: str, client: int | None, expires_days: int | None) -> str:
        """Make a key and return its token, which is kept nowhere."""

    async def list(self) -> Sequence[Any]:
        """All keys, those that no longer work too: records with the fields of `COLUMNS`."""

    async def revoke(self, key_id: int) -> bool:
        """Make a key useless; whether there was such a key."""


@click.group(cls=Group, examples=EXAMPLES)
def keys() -> None:
    """Make, list and revoke API keys.

    These commands work on the database itself, so they need the settings --data or --database that the server has; a
    running server takes a new key at once, and notices within a second that one is revoked.
    """


@keys.command(cls=SettingsCommand, setting_names=DATABASE, examples=EXAMPLES[:2])
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), default="Engineers", show_default=True, help="What it may do.")
@click.option("--client", type=int, metavar="ID", help="The tenant it belongs to; without, the first one.")
@click.option(
    "--expires", type=click.IntRange(min=1), metavar="DAYS", help="After how many days it ends; without, never."
)
@output_option
def create(
    given: dict[str, SettingSource], name: str, role: str, client: int | None, expires: int | None, output: str
) -> None:  # each is an option
    """Make a key called NAME, and print its token: it is shown this once."""
    token = _with_keys(given, lambda found: found.create(name, role, client, expires))
    if output == "json":
        show([{"name": name, "role": role, "token": token}], (), output)
        return
    click.echo(f"Key {name} ({role}) is made. Keep its token: it cannot be shown again.", err=True)
    click.echo(token)


@keys.command("list", cls=SettingsCommand, setting_names=DATABASE)
@output_option
def list_(given: dict[str, SettingSource], output: str) -> None:
    """List the keys; their tokens are not kept, so they cannot be shown."""
    found = _with_keys(given, lambda keys: keys.list())
    show([_row(key) for key in found], COLUMNS, output, "There are no keys. Make one with `pileus keys create NAME`.")


@keys.command(cls=SettingsCommand, setting_names=DATABASE)
@click.argument("number", type=int)
def revoke(given: dict[str, SettingSource], number: int) -> None:
    """Make the key with this NUMBER useless: the digits at the start of its token."""
    if not _with_keys(given, lambda found: found.revoke(number)):
        raise Failure(f"There is no key {number}. `pileus keys list` shows those there are.")
    click.echo(f"Key {number} is revoked.")


def _row(key: Any) -> dict[str, Any]:
    row = {column: getattr(key, column) for column in COLUMNS}
    return row | {column: moment(row[column]) for column in COLUMNS if column.endswith("_at")}


def _with_keys(given: dict[str, SettingSource], ask: Callable[[Keys], Awaitable[Answer]]) -> Answer:
    settings: Settings = load_settings(given)
    from pileus import app  # noqa: PLC0415  # help and mistakes are told at once, without loading the server

    async def answer(room: AbstractAsyncContextManager[Keys]) -> Answer:
        async with room as found:
            return await ask(found)

    return asyncio.run(answer(app.keys(settings)))
