"""Make backups, look into them, and write them anew."""

import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from pileus.backups.archives import ArchiveReader, ArchiveWriter
from pileus.backups.new_files import write_whole_file
from pileus.backups.snapshots import NewBackup, write_backup
from pileus.initial_data import open_seeded_database
from pileus.settings import Settings
from pileus.store.database import Tx
from pileus.store.schema import load_migrations
from pileus.store.table_descriptions import describe_tables
from tests.counted_tables import TABLES


def run_command(*arguments: str, umask: int = 0) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pileus", *arguments], capture_output=True, text=True, check=False, umask=umask
    )


async def make_cloud(data: Path, database: str = "") -> Settings:
    """Make a database with some records of several kinds."""
    settings = Settings(data=data, database=database)
    async with open_seeded_database(settings) as prepared:

        async def add(tx: Tx) -> None:
            for name in ("networks", "security_groups", "tasks", "ssh_keys"):
                mapper, make, _ = TABLES[name]
                await mapper.add_all(tx, [make(1, f"{name}-{number}") for number in range(3)])

        await prepared.db.write(add)
    return settings


async def back_up(settings: Settings, path: Path, **options: Any) -> NewBackup:
    return await write_backup(settings, path, **{"with_secrets_key": True, "overwrite": False, **options})


def rows_of(path: Path) -> dict[str, list[Any]]:
    """Return the rows of a backup by table, in an order that does not depend on the database."""
    with closing(ArchiveReader(path)) as archive:
        return {
            name: sorted((row for page in archive.read_rows(name) for row in page), key=repr)
            for name in archive.manifest.tables
        }


async def rewrite(backup: Path, path: Path, schema_version: int = 0, **changes: list[Any]) -> None:
    """Write a backup anew, with other rows in some tables, or as another version."""
    with closing(ArchiveReader(backup)) as archive, write_whole_file(path) as file:
        writer, tables = ArchiveWriter(file), {}
        for table in await describe_tables(load_migrations()):

            async def pages(name: str = table.name) -> AsyncIterator[Sequence[Any]]:
                yield changes.get(name, [row for page in archive.read_rows(name) for row in page])

            tables[table.name] = await writer.add_table(table, pages())
        version = schema_version or archive.manifest.schema_version
        writer.finish(replace(archive.manifest, tables=tables, schema_version=version, sha256_of_secrets_key=""))
