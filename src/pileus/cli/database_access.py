"""Commands that use the database directly, without a running server."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from types import ModuleType
from typing import TypeVar

from pileus.cli.commands import CommandError
from pileus.cli.options import load_settings
from pileus.settings import GivenSettingValue, Settings

DATABASE = ("data", "database")
"""The settings that these commands take."""
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
    settings: Settings = load_settings(given)
    from pileus import app  # noqa: PLC0415  # see above
    from pileus.domain.errors import Problem  # noqa: PLC0415  # as well

    async def run() -> T:
        async with open_manager(app, settings) as manager:
            return await action(manager)

    try:
        return asyncio.run(run())
    except Problem as problem:
        texts = [text for errors in getattr(problem, "fields", {}).values() for text in errors]
        raise CommandError(f"{'; '.join(texts) or problem.message}.") from None
