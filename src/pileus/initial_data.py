"""Initial contents of a database: a tenant with its first project and key, and the records of the catalogue."""

import logging
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from msgspec.structs import asdict, replace

from pileus.cells import catalogue_of_cell, check_cells
from pileus.domain.account.access import Role
from pileus.domain.account.api_keys import ApiKey, hash_api_token, parse_key_id
from pileus.domain.account.clients import FIRST_CLIENT
from pileus.domain.account.projects import Project
from pileus.domain.catalogue import Catalogue, CatalogueWithFormerFlavors, parse_catalogue
from pileus.domain.catalogue_changes import check_subnet_changes
from pileus.domain.cells import TENANTS_CELL
from pileus.domain.clocks import ClockSetting
from pileus.domain.ids import IdMaker
from pileus.domain.network.networks import Subnet
from pileus.drivers.protocols.config import read_system_time
from pileus.private_files import INVALID_KEY_FILE, KEY_FILE, read_key_file, write_key_file
from pileus.region_drivers import PlannedDriver, plan_region_drivers, save_region_drivers
from pileus.services.account.api_keys import generate_api_token
from pileus.services.resets import FirstContents
from pileus.setting_fields import SettingError
from pileus.settings import Settings
from pileus.store import catalogue_sync, cells, clocks, counters, tasks
from pileus.store.account import api_keys, clients, projects
from pileus.store.compute import images
from pileus.store.database import Database, OnCommit, Tx
from pileus.store.network import networks, subnets
from pileus.store.schema import DATABASE_FILE, open_database

LOG = logging.getLogger("pileus.server")
CLIENT, USER, PROJECT = FIRST_CLIENT, 1, 1


class NoCloud(Exception):
    """There is no cloud where the settings point; the message is one line that says what to do."""


class ForeignCell(Exception):
    """The database has the ids and regions of another cell; the message is one line that says what to do."""


@dataclass(slots=True)
class PreparedDatabase:
    """A database that is ready for use; `first_token` is the operator's key if this start created it.

    `drivers` are those that the regions of the catalogue need. `ids` makes the ids of this process.
    """

    db: Database
    catalogue: Catalogue
    drivers: Sequence[PlannedDriver]
    first_token: str | None
    clock: ClockSetting
    ids: IdMaker


@asynccontextmanager
async def open_seeded_database(
    settings: Settings, on_commit: OnCommit | None = None, *, exclusive: bool = False
) -> AsyncIterator[PreparedDatabase]:
    """Open and seed the database. With `exclusive` no other process uses it: leases of the predecessor are released.

    Raises ForeignCell or ChangedRegionDriver before anything is written if the database has another cell, or if the
    resources of a region are elsewhere.
    """
    catalogue = load_catalogue(settings)
    check_cells(settings, catalogue)
    own_catalogue = catalogue_of_cell(catalogue, settings.cell)
    drivers = plan_region_drivers(settings, own_catalogue)
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    db = await open_database(settings.database, settings.data, on_commit, secrets_key=settings.secrets_key)
    try:
        await save_cell(db, settings.cell)
        async with db.read() as tx:
            clock = await clocks.get_setting(tx)
        now, ids = clock.time_at(read_system_time()), IdMaker(read_system_time, os.urandom, settings.cell)
        await save_region_drivers(db, drivers)
        token = await seed_cell(db, own_catalogue, settings, now)
        if exclusive:
            await put_invalid_key_aside(db, settings.data, now)
        if exclusive and not settings.database:
            await db.write(tasks.release_all_leases)
        yield PreparedDatabase(db, await _with_former_flavors(db, catalogue), drivers, token, clock, ids)
    finally:
        await db.close()


async def save_cell(db: Database, cell: int) -> None:
    """Save the cell of an empty database. Raises ForeignCell if the database has content of another cell."""

    async def write(tx: Tx) -> int:
        if not await clients.exists(tx, CLIENT):
            await cells.add_own_number(tx, cell)
        return await cells.find_own_number(tx) or 0

    number = await db.write(write)
    if number != cell:
        raise ForeignCell(f"The database is that of cell {number}: start the server with --cell {number}")


def check_database_file(settings: Settings) -> None:
    """Check that the data directory has a database, unless the settings name another one. Raises NoCloud."""
    if not settings.database and not (settings.data / DATABASE_FILE).is_file():
        raise NoCloud(
            f"There is no cloud in {settings.data}. Start one with `pileus serve`, or name the directory of another "
            "with --data, or its PostgreSQL database with --database."
        )


async def check_first_tenant(db: Database) -> None:
    """Check that a server has used the database. Raises NoCloud."""
    async with db.read() as tx:
        if not await clients.exists(tx, CLIENT):
            raise NoCloud("The database is empty. Start a server on it with `pileus serve`, or name another.")


async def check_has_tenants(db: Database) -> None:
    """Check that the database is that of cell 0, which has keys and users. Raises NoCloud."""
    async with db.read() as tx:
        number = await cells.find_own_number(tx)
    if number:
        raise NoCloud(f"The database is that of cell {number}: keys and users are in that of cell 0.")


def load_catalogue(settings: Settings) -> Catalogue:
    """Return the operator's catalogue, or the built-in one; raises Invalid or SettingError."""
    if settings.catalogue:
        try:
            return parse_catalogue(Path(settings.catalogue).read_text("utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise SettingError(f"{settings.catalogue}: the catalogue cannot be read: {error}") from error
    return parse_catalogue((resources.files("pileus") / "catalogue.toml").read_text("utf-8"))


async def seed_cell(db: Database, catalogue: Catalogue, settings: Settings, now: int) -> str | None:
    """Seed the database; that of a cell without the tenants only gets what its catalogue offers."""
    if settings.cell == TENANTS_CELL or not settings.cells:
        return await seed_database(db, catalogue, given_key=settings.api_key, data=settings.data, now=now)
    await db.write(lambda tx: save_configured_contents(tx, catalogue, "", now))
    return None


async def seed_database(db: Database, catalogue: Catalogue, *, given_key: str, data: Path, now: int) -> str | None:
    """Create tenant and key if needed and update the catalogue; returns the operator's token if it is new."""

    async def write(tx: Tx) -> str | None:
        token = None
        if not await clients.exists(tx, CLIENT):
            await _add_tenant(tx, now)
            token = given_key or await _add_first_key(tx, data, now)
        await save_configured_contents(tx, catalogue, given_key, now)
        return token

    return await db.write(write)


async def put_invalid_key_aside(db: Database, data: Path, now: int) -> None:
    """Rename the file with the operator's key if the key is not valid, so that nothing uses or shows it."""
    token = read_key_file(data)
    if not token:
        return
    async with db.read() as tx:
        stored = await api_keys.find_with_caller(tx, parse_key_id(token) or 0)
    if stored and stored[0].is_valid_token(token, now):
        return
    (data / KEY_FILE).replace(data / INVALID_KEY_FILE)
    LOG.warning("The operator's key is not valid: its file is renamed", extra={"file": str(data / INVALID_KEY_FILE)})


async def write_first_contents(tx: Tx, catalogue: Catalogue, *, given_key: str, contents: FirstContents) -> None:
    """Write what an empty database contains after its first start; with the keys that there were."""
    await _add_tenant(tx, contents.created_at)
    for key in contents.keys:
        await api_keys.add(tx, replace(key, client_id=CLIENT, user_id=USER))
    await save_configured_contents(tx, catalogue, given_key, read_system_time())


async def save_configured_contents(tx: Tx, catalogue: Catalogue, given_key: str, now: int) -> None:
    """Write what follows from the settings."""
    if given_key:
        await _save_given_key(tx, given_key, now)
    await catalogue_sync.save_flavors(tx, catalogue.flavors)
    for region in catalogue.regions:
        await _sync_region(tx, catalogue, region.id, now)


async def _add_tenant(tx: Tx, now: int) -> None:
    await clients.add(tx, CLIENT, "default", now)
    await clients.add_user(tx, USER, CLIENT, "admin@localhost.localdomain", now)
    number = await counters.increment(tx, "projects")
    await projects.add(tx, Project(id=number, client_id=CLIENT, name="Default", is_default=True, created_at=now))


async def _add_first_key(tx: Tx, data: Path, now: int) -> str:
    number = await api_keys.allocate_id(tx)
    token = generate_api_token(number)
    await api_keys.add(tx, _operator_key(number, token, now))
    write_key_file(token, data)
    return token


async def _save_given_key(tx: Tx, token: str, now: int) -> None:
    number = parse_key_id(token) or 0
    existing = await api_keys.find_with_caller(tx, number)
    if existing is None:
        await api_keys.add(tx, _operator_key(number, token, now))
        return
    key, digest = existing[0], hash_api_token(token)
    is_operators = key.client_id == CLIENT and key.role == Role.ADMINISTRATORS
    role = Role.OPERATORS.value if is_operators else key.role
    if (key.digest, key.role) != (digest, role):
        await api_keys.reinstate(tx, number, digest, role)


def _operator_key(number: int, token: str, now: int) -> ApiKey:
    return ApiKey(
        id=number,
        client_id=CLIENT,
        user_id=USER,
        name=api_keys.NAME_OF_STARTS,
        role=Role.OPERATORS,
        digest=hash_api_token(token),
        created_at=now,
    )


async def _sync_region(tx: Tx, catalogue: Catalogue, region_id: int, now: int) -> None:
    """Update the records that a region offers; raises Invalid if a change would take addresses that are in use."""
    offered_networks = catalogue.external_network_records(region_id, now)
    offered_subnets = [subnet for _, network_subnets in offered_networks for subnet in network_subnets]
    subnets_in_use = {
        subnet.id: (subnet, await catalogue_sync.list_addresses_in_use(tx, subnet.id))
        for subnet in await _list_changed_subnets(tx, region_id, offered_subnets)
    }
    check_subnet_changes(offered_subnets, subnets_in_use)
    await catalogue_sync.upsert_and_retire_others(
        tx, images.TABLE, images.save, region_id, catalogue.public_image_records(region_id, now)
    )
    await catalogue_sync.upsert_and_retire_others(
        tx, networks.TABLE, networks.save, region_id, [network for network, _ in offered_networks]
    )
    await catalogue_sync.upsert_and_retire_others(tx, subnets.TABLE, subnets.save, region_id, offered_subnets)


async def _list_changed_subnets(tx: Tx, region_id: int, offered: list[Subnet]) -> list[Subnet]:
    """Return the subnets in use that are changed or retired; the addresses of the others need not be read."""
    unchanged = {(subnet.id, subnet.cidr, subnet.gateway_ip) for subnet in offered}
    in_use = await catalogue_sync.list_public_subnets_in_use(tx, region_id)
    return [subnet for subnet in in_use if (subnet.id, subnet.cidr, subnet.gateway_ip) not in unchanged]


async def _with_former_flavors(db: Database, catalogue: Catalogue) -> Catalogue:
    """Add the flavors that the catalogue had before."""
    async with db.read() as tx:
        flavors = await catalogue_sync.list_known_flavors(tx)
    return CatalogueWithFormerFlavors(**asdict(catalogue), former_flavors={flavor.id: flavor for flavor in flavors})
