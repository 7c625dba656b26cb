"""The cells of a cloud as the settings and the catalogue describe them, and what a server opens of the others."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from pileus.api.cell_connections import AccountCopies, CellConnections
from pileus.api.cell_marks import CellMarks
from pileus.domain.account.clients import FIRST_CLIENT
from pileus.domain.catalogue import Catalogue
from pileus.domain.cells import TENANTS_CELL, Cells, parse_cell_addresses
from pileus.setting_fields import SettingError
from pileus.settings import Settings
from pileus.store.account import clients
from pileus.store.database import Database
from pileus.store.schema import open_database


class NoTenants(Exception):
    """The database that should have the tenants has none; the message is one line that says what to do."""


def catalogue_of_cell(catalogue: Catalogue, cell: int) -> Catalogue:
    """Return the catalogue with the regions of one cell; all of them in a cloud without other cells."""
    if not any(region.cell for region in catalogue.regions):
        return catalogue if cell == TENANTS_CELL else catalogue.with_regions(())
    return catalogue.with_regions({region.id for region in catalogue.regions if region.cell == cell})


def check_cells(settings: Settings, catalogue: Catalogue) -> None:
    """Check that settings and catalogue fit together. Raises SettingError."""
    addresses = parse_cell_addresses(settings.cells)
    used = {region.cell for region in catalogue.regions} | {settings.cell, TENANTS_CELL}
    if (missing := sorted(used - addresses.keys())) and (addresses or used != {TENANTS_CELL}):
        raise SettingError(f"--cells: the address of cell {missing[0]} is missing")
    if settings.cell == TENANTS_CELL and settings.tenants_database:
        raise SettingError("--tenants-database: the database of this server is that of cell 0, with the tenants")
    if settings.cell != TENANTS_CELL and not settings.tenants_database:
        raise SettingError("--tenants-database: a server of another cell than 0 needs the database of cell 0")


@asynccontextmanager
async def open_cells(settings: Settings, db: Database, catalogue: Catalogue) -> AsyncIterator[CellConnections | None]:
    """Open what this server needs of the other cells, and copy the operators' tenant; None without other cells."""
    if not settings.cells:
        yield None
        return
    cells = Cells(
        own=settings.cell,
        addresses=parse_cell_addresses(settings.cells),
        region_cells={region.id: region.cell for region in catalogue.regions},
    )
    async with AsyncExitStack() as cleanup:
        marks = CellMarks(db.secrets)
        connections = CellConnections(cells, marks, db, None)
        if settings.cell != TENANTS_CELL:
            tenants_db = await _open_tenants_database(settings)
            cleanup.push_async_callback(tenants_db.close)
            connections = CellConnections(cells, marks, tenants_db, await _copy_first_tenant(tenants_db, db))
        cleanup.push_async_callback(connections.close)
        yield connections


async def _copy_first_tenant(tenants_db: Database, db: Database) -> AccountCopies:
    """Copy the operators' tenant. Raises NoTenants."""
    async with tenants_db.read() as tx:
        has_tenants = await clients.exists(tx, FIRST_CLIENT)
    if not has_tenants:
        raise NoTenants("The database of cell 0 is empty: start a server of cell 0 first")
    copies = AccountCopies(tenants_db, db)
    await copies.ensure_current(FIRST_CLIENT)
    return copies


async def _open_tenants_database(settings: Settings) -> Database:
    is_url = "://" in settings.tenants_database
    url, data = (settings.tenants_database, settings.data) if is_url else ("", Path(settings.tenants_database))
    return await open_database(url, data, secrets_key=settings.secrets_key)
