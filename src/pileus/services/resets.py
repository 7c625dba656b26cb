"""Reset the cloud, a tenant or a project: each is as it was after its creation."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from pileus.domain.account.api_keys import ApiKey
from pileus.domain.account.projects import Project
from pileus.domain.errors import Conflict, not_found
from pileus.domain.places import Caller
from pileus.store import counters, resets, tasks
from pileus.store.account import api_keys, clients, projects
from pileus.store.database import Tx
from pileus.store.staged_states import insert_rows


class FirstContents(Struct, frozen=True, kw_only=True):
    """What a reset takes over into the new cloud: when it was first started, and the keys of operators that stay."""

    created_at: int
    keys: Sequence[ApiKey]


StagedState = Iterable[tuple[str, Sequence[str], Sequence[Sequence[Any]]]]
"""Tables in the order in which they are filled, with their columns and pages of their rows."""
SaveContents = Callable[[Tx], Awaitable[None]]
"""Saves what follows from the settings: the configured key, and the catalogue. Raises Invalid."""
WriteFirstContents = Callable[[Tx, FirstContents], Awaitable[None]]
"""Writes what an empty database contains after its first start."""


async def reset_cloud(tx: Tx, caller: Caller, write_first_contents: WriteFirstContents, *, keep_numbers: bool) -> None:
    """Delete everything that has been made since the first start.

    The keys that starts of servers have created stay, and so does the caller's key, if it belongs to the same tenant.
    `keep_numbers`: ids that have been given out are not given out again before `restart_numbers`.
    """
    contents = await find_first_contents(tx, caller)
    numbers = await counters.list_all(tx) if keep_numbers else {}
    await resets.remove_everything(tx)
    await write_first_contents(tx, contents)
    await counters.raise_to(tx, numbers)


async def find_first_contents(tx: Tx, caller: Caller) -> FirstContents:
    """Return what stays of the cloud when all its contents are replaced."""
    return FirstContents(
        created_at=await clients.get_first_start(tx), keys=await api_keys.list_of_starts(tx, caller.token_id)
    )


async def replace_by_state(tx: Tx, caller: Caller, state: StagedState, save_configured_contents: SaveContents) -> None:
    """Replace all contents by a state. The keys of starts and that of the caller stay valid.

    Tasks that had not ended go on. Raises Conflict if the caller's key has the number of another one in the state.
    """
    contents, numbers = await find_first_contents(tx, caller), await counters.list_all(tx)
    await resets.remove_everything(tx, with_kept=True)
    for table, columns, rows in state:
        await insert_rows(table, columns, rows, tx)
        # Other requests are read in between.
        await asyncio.sleep(0)
    for key in contents.keys:
        await _restore_key(tx, key)
    await counters.raise_to(tx, {name: value for name, value in numbers.items() if name.startswith("simulated_")})
    await save_configured_contents(tx)
    await tasks.release_all_leases(tx)


async def _restore_key(tx: Tx, key: ApiKey) -> None:
    existing = await api_keys.TABLE.find_by_id(tx, key.id)
    if existing is not None and existing.name != key.name:
        raise Conflict(
            f"The state has another key with the number of this one, {key.id}: send the request with the first "
            "operator's key"
        )
    await api_keys.TABLE.remove(tx, key.id)
    user_id = await clients.get_first_user_id(tx, key.client_id)
    await api_keys.add(tx, replace(key, user_id=user_id))


async def reset_tenant(tx: Tx, client_id: int) -> None:
    """Delete what a tenant has made: all projects but its first, and what they contain. Its keys and users stay.

    Raises NotFound.
    """
    await clients.lock(tx, client_id)
    await clients.get(tx, client_id)
    first, *others = sorted(await projects.list_of_client(tx, client_id), key=lambda project: not project.is_default)
    for project in (first, *others):
        await resets.remove_of_project(tx, client_id, project.id)
    await resets.remove_of_tenant(tx, client_id)
    for project in others:
        await projects.TABLE.remove(tx, project.id)
    await _save_as_created(tx, first)


async def reset_project(tx: Tx, project_id: int, client_id: int | None = None) -> None:
    """Delete what a project contains, with its tasks, audit log and usage.

    Raises NotFound, also if the project is not of the tenant.
    """
    project = await projects.TABLE.lock(tx, project_id)
    if project.deleted_at is not None or client_id not in (None, project.client_id):
        raise not_found("Project", project_id)
    await resets.remove_of_project(tx, project.client_id, project.id)
    await projects.save(tx, project, project.deletion_failed())


async def _save_as_created(tx: Tx, project: Project) -> None:
    await projects.save(tx, project, replace(project.deletion_failed(), deleted_at=None))
