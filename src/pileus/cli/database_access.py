"""Commands that use the database directly, and finding the server that runs on this machine."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from types import ModuleType
from typing import TypeVar

from pileus.cli.commands import CommandError, UsageError, print_error
from pileus.cli.options import load_settings
from pileus.running_servers import list_running_servers
from pileus.setting_fields import SettingError
from pileus.settings import GivenSettingValue, Settings

DATABASE = ("data", "database")
"""The settings that these commands take."""
ADDRESS = ("host", "port", "public_url")
"""The settings that say where the server is."""
M = TypeVar("M")
T = TypeVar("T")


def run_with_database(
    given: dict[str, GivenSettingValue],
    open_manager: Callable[[ModuleType, Settings], AbstractAsyncContextManager[M]],
    action: Callable[[M], Awaitable[T]],
) -> T:
    """Run an action with what `open_manager` opens in the database that the settings name. Raises CommandError.

    `open_manager` gets the module `pileus.app`, which is imported late: `--help` must not load the server.
    """
    settings: Settings = load_settings(find_server_settings(given, DATABASE))
    from pileus import app  # noqa: PLC0415  # see above
    from pileus.domain.errors import Problem  # noqa: PLC0415  # as well

    async def run() -> T:
        async with open_manager(app, settings) as manager:
            return await action(manager)

    with explain_errors(settings):
        try:
            return asyncio.run(run())
        except Problem as problem:
            texts = [text for errors in getattr(problem, "fields", {}).values() for text in errors]
            raise CommandError(f"{'; '.join(texts) or problem.message}.") from None


@contextmanager
def explain_errors(settings: Settings) -> Iterator[None]:
    """Turn the errors of opening a database into those of commands: the same texts as those of `pileus serve`."""
    from pileus.initial_data import NoCloud  # noqa: PLC0415  # `--help` must not load the server
    from pileus.server.startup import StartError, explain_start_errors  # noqa: PLC0415

    try:
        with explain_start_errors(settings):
            yield
    except SettingError as problem:
        raise UsageError(str(problem)) from None
    except (StartError, NoCloud) as problem:
        raise CommandError(str(problem)) from None


def find_server_settings(
    given: dict[str, GivenSettingValue], setting_names: Sequence[str]
) -> dict[str, GivenSettingValue]:
    """Add the named settings of the server that runs on this machine, unless a setting says which one is meant.

    Raises CommandError if several run, or if the database of the only one cannot be known.
    """
    if any(name in given for name in (*DATABASE, *setting_names) if name != "data"):
        return given
    servers = list_running_servers()
    if "data" in given:
        # A directory has several names: relative ones, and those of links to it.
        data = os.path.realpath(str(given["data"].value))
        servers = [server for server in servers if os.path.realpath(server.data) == data][:1]
    if len(servers) > 1:
        places = ", ".join(server.data for server in servers)
        raise CommandError(f"Several servers run on this machine: name the directory of one with --data ({places}).")
    if not servers:
        return given
    server = servers[0]
    if server.has_database and "database" in setting_names:
        raise CommandError("The running server uses PostgreSQL: name its database with --database or PILEUS_DATABASE.")
    values = {name: getattr(server, name) for name in setting_names if getattr(server, name, "")}
    origin = f"the running server in {server.data}"
    return {**{name: GivenSettingValue(value, origin) for name, value in values.items()}, **given}


def warn_of_default_address(settings: Settings, server_settings: dict[str, GivenSettingValue]) -> None:
    """Print to standard error that the address of the server is a guess, if nothing says where it is."""
    if server_settings.keys().isdisjoint(ADDRESS):
        place = "" if settings.database else f" on {os.path.realpath(settings.data)}"
        print_error(
            f"no server that you run is known{place}: {settings.base_url} is only the default address;"
            " name another with --port, --host or --public-url"
        )
